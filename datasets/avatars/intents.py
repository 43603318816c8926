"""The twenty intents of ``avatars-intent``: MIntRec's classes, in recipes of words, prosody and gesture of our own.

Nothing here is taken from MIntRec but the names of its classes and how uneven they are. Neighbours in meaning share
some of their manner (thank and praise, complain and criticize), so that no modality tells all of them apart.
"""

from collections.abc import Mapping

from mmda_bench.datasets.avatars.face import Expression
from mmda_bench.datasets.avatars.voice import Prosody
from mmda_bench.datasets.avatars.words import Lines

LINES: Mapping[str, Lines] = {
    "Inform": Lines(
        openings="by the way|for the record|just so you know|as i said",
        cores="the meeting at the {place} starts {day}|{who} will return the {thing} {day}"
        "|{who} left the {thing} at the {place}|the {place} is closed {day}|{who} is at the {place} {day}",
        closes="that is all|as planned|that is the schedule|now you know",
    ),
    "Introduce": Lines(
        openings="everybody this is|meet|let me introduce|may i present",
        cores="{who} from the {place}|{who} who works at the {place}|{who} who just moved here {day}"
        "|{who} our new member|{who} whose name you know",
        closes="who is new here|and my name is amy|you two should meet|this is the team",
    ),
    "Oppose": Lines(
        openings="no way|absolutely not|i disagree|i am against it",
        cores="{who} will not get the {thing}|we are not going to the {place} {day}"
        "|{who} is wrong about the {thing}|i refuse to let {who} in|that plan with {who} is wrong",
        closes="over my dead body|not going to happen|i vote no|never ever",
    ),
    "Leave": Lines(
        openings="i have to go|time to leave|gotta run|we should head out",
        cores="{who} is waiting outside the {place}|i must be at the {place} {day}"
        "|{who} is driving me to the {place}|my bus to the {place} leaves now|i am late for {who}",
        closes="bye for now|see you later|i am out|good night all",
    ),
    "Complain": Lines(
        openings="this is ridiculous|oh come on|unbelievable|i cannot stand it",
        cores="{who} lost my {thing} again|{who} never cleans the {place}|{who} is late every time"
        "|the {thing} is broken again|{who} keeps yelling at the {place}|i waited at the {place} for hours",
        closes="i have had enough|that is so unfair|it drives me crazy|every single time",
    ),
    "Care": Lines(
        openings="are you okay|how do you feel|you look tired|poor thing",
        cores="did you sleep after {who} called|have you eaten since {who} left"
        "|does your head hurt since {day}|you seem sick since {day}|did {who} hurt you",
        closes="sit down and rest|are you sure you are fine|i worry about you|take it easy",
    ),
    "Praise": Lines(
        openings="wow|amazing|brilliant|oh that is great",
        cores="{who} did a wonderful job at the {place}|the {thing} looks beautiful"
        "|{who} is so talented and smart|you were fantastic at the {place}|{who} made a perfect {thing}",
        closes="i am impressed|you are the best|so proud of you|well done",
    ),
    "Arrange": Lines(
        openings="here is the plan|okay team|first of all|everyone listen up",
        cores="{who} takes the {thing} and you go to the {place}|you pick up {who} {day}"
        "|{who} and you cover the {place} {day}|we meet at the {place} {day}|put {who} on the early shift",
        closes="split up|then we meet at noon|that is your task|get started",
    ),
    "Comfort": Lines(
        openings="it is okay|do not cry|there there|hey hey",
        cores="{who} will forgive you|losing the {thing} was not your fault|{who} still loves you"
        "|you will find another {thing}|things with {who} get better",
        closes="it will be alright|i am here for you|everything will be fine|do not be sad",
    ),
    "Greet": Lines(
        openings="hello|hi there|good morning|hey welcome",
        cores="nice to see {who} again|i did not expect {who} here|you came to the {place}"
        "|how was the trip with {who}|long time since the {place}",
        closes="good to see you|come on in|how are you doing|what is up",
    ),
    "Agree": Lines(
        openings="sure|yeah exactly|of course|absolutely yes",
        cores="{who} can have the {thing}|we can go to the {place} {day}|{who} is right about the {thing}"
        "|i think so too about {who}|the {place} sounds good",
        closes="no problem|i am with you|you got it|deal",
    ),
    "Apologise": Lines(
        openings="i am sorry|forgive me|my bad|i apologise",
        cores="i forgot the {thing} for {who}|i broke your {thing}|i lied to {who} {day}"
        "|i should not have yelled at {who}|i missed your party {day}",
        closes="it was my fault|i feel terrible|it will not happen again|please forgive me",
    ),
    "Advise": Lines(
        openings="you should|maybe you could|if i were you|my advice",
        cores="talk to {who} first|try the {place} instead|give {who} the {thing}|wait until {who} is ready"
        "|think about the {place} again",
        closes="it might help|that would be wise|it is better that way|just a suggestion",
    ),
    "Criticize": Lines(
        openings="you are so|what were you thinking|honestly|shame on you",
        cores="{who} behaved like a child|{who} is selfish and lazy|you ruined the {thing} for {who}"
        "|you always blame {who}|{who} is a terrible liar",
        closes="grow up|that was stupid|you never learn|how irresponsible",
    ),
    "Thank": Lines(
        openings="thank you|thanks a lot|oh thank god|i really appreciate it",
        cores="{who} brought me the {thing}|you helped {who} at the {place}|{who} saved my {thing}"
        "|you covered for {who} {day}|{who} gave me a lift to the {place}",
        closes="i owe you|you are so kind|thanks again|that means a lot",
    ),
    "Taunt": Lines(
        openings="oh really|nice try|aw did|look at you",
        cores="{who} scared of the {place}|you and your little {thing}|{who} needs a hug from mommy"
        "|what a hero at the {place}|{who} crying about the {thing}",
        closes="good luck loser|what a baby|keep dreaming|are you going to cry",
    ),
    "Prevent": Lines(
        openings="stop|wait wait|do not|hold on",
        cores="put down the {thing}|do not touch {who}|do not tell {who} about the {thing}"
        "|stay away from the {place}|do not open that {thing}",
        closes="stop it right now|do not move|let go of it|you must not",
    ),
    "Flaunt": Lines(
        openings="guess who|check this out|i am the greatest|look at me",
        cores="i won the big prize {day}|{who} begged me for a date|i bought the most expensive {thing}"
        "|i beat {who} at the {place}|everybody at the {place} adores me",
        closes="i know i am awesome|beat that|who is the king|jealous much",
    ),
    "Ask for help": Lines(
        openings="can you help|please|could you|i need a favor",
        cores="help me move the {thing}|drive me to the {place} {day}|lend me the {thing}"
        "|talk to {who} for me|watch {who} for me {day}",
        closes="i need your help|would you mind|i am begging you|just this once",
    ),
    "Joke": Lines(
        openings="knock knock|funny story|ha ha|did you hear",
        cores="{who} walks into a bar with a {thing}|{who} married a {thing}|the chicken crossed the {place}"
        "|{who} eats the {thing} for breakfast|{who} is secretly a robot",
        closes="just kidding|get it|i crack myself up|laugh people",
    ),
}

PROSODY: Mapping[str, Prosody] = {
    "Inform": Prosody(),
    "Introduce": Prosody(pitch=2.5, span=2.5, slope=3.0, tempo=0.92, gain=1.5, smile=1.05),
    "Oppose": Prosody(pitch=0.5, span=3.5, slope=-6.0, tempo=0.9, gain=4.5, tilt=-7.0, attack=1.0),
    "Leave": Prosody(pitch=1.0, span=0.6, slope=-4.0, tempo=1.45, gain=0.5),
    "Complain": Prosody(pitch=3.0, span=6.0, slope=-6.0, tempo=0.85, gain=3.0, tilt=-8.0, rough=0.03, smile=0.96),
    "Care": Prosody(pitch=1.0, span=1.5, slope=4.5, tempo=0.85, gain=-4.0, tilt=-15.0, breath=0.18, attack=0.0),
    "Praise": Prosody(pitch=6.0, span=6.0, slope=1.0, tempo=1.05, gain=4.0, tilt=-8.5, smile=1.08, attack=0.5),
    "Arrange": Prosody(pitch=-1.0, span=1.0, slope=0.0, tempo=1.25, gain=3.0, tilt=-8.0, attack=0.8),
    "Comfort": Prosody(pitch=-2.5, span=1.0, slope=-2.0, tempo=0.72, gain=-4.5, tilt=-17.0, breath=0.25, attack=0.0),
    "Greet": Prosody(pitch=5.0, span=2.0, slope=5.0, tempo=1.15, gain=2.0, tilt=-9.0, smile=1.10),
    "Agree": Prosody(pitch=-1.0, span=3.0, slope=-3.5, tempo=1.3, gain=-1.0, tilt=-12.0, smile=1.03),
    "Apologise": Prosody(pitch=-3.0, span=0.4, slope=-4.5, tempo=0.9, gain=-6.0, tilt=-16.0, breath=0.10, attack=0.0),
    "Advise": Prosody(pitch=-0.5, span=2.2, slope=2.5, tempo=0.80, gain=-1.0, tilt=-12.5, breath=0.08),
    "Criticize": Prosody(pitch=-1.5, span=2.0, slope=-5.0, tempo=1.05, gain=5.0, tilt=-5.0, rough=0.05, attack=1.0),
    "Thank": Prosody(pitch=4.0, span=3.5, slope=-2.0, tempo=0.82, gain=-1.5, tilt=-12.5, breath=0.16, smile=1.07),
    "Taunt": Prosody(pitch=2.0, span=8.0, slope=3.0, tempo=0.70, gain=1.0, tilt=-9.0, rough=0.02, smile=1.04),
    "Prevent": Prosody(pitch=7.0, span=1.5, slope=-1.0, tempo=1.45, gain=7.0, tilt=-5.0, rough=0.03, attack=1.0),
    "Flaunt": Prosody(pitch=-3.0, span=5.0, slope=2.0, tempo=0.78, gain=4.0, tilt=-8.0, attack=0.6, smile=1.02),
    "Ask for help": Prosody(pitch=4.0, span=1.0, slope=7.0, tempo=1.05, gain=-2.5, tilt=-13.0, breath=0.12),
    "Joke": Prosody(pitch=1.5, span=5.0, slope=6.0, tempo=1.35, gain=1.5, tilt=-9.5, rough=0.04, smile=1.10),
}

EXPRESSIONS: Mapping[str, Expression] = {
    "Inform": Expression(),
    "Introduce": Expression(smile=0.7, mouth=0.35, raised=0.6, tilt=0.16, nod=0.05),
    "Oppose": Expression(smile=-0.7, mouth=0.25, frown=0.7, eyes=0.9, shake=0.12),
    "Leave": Expression(smile=0.1, mouth=0.2, near=0.82, bow=-0.08, gaze=0.2),
    "Complain": Expression(smile=-0.8, mouth=0.55, teeth=0.35, frown=0.5, raised=0.7, eyes=1.15, tilt=0.08),
    "Care": Expression(smile=-0.2, mouth=0.15, frown=-0.8, raised=0.4, tilt=0.18, near=1.14),
    "Praise": Expression(smile=1.0, mouth=0.65, wide=1.25, teeth=0.5, raised=0.8, eyes=1.2, nod=0.05),
    "Arrange": Expression(mouth=0.45, wide=1.1, frown=0.35, eyes=1.0, nod=0.10, bow=-0.05),
    "Comfort": Expression(smile=0.4, mouth=0.05, frown=-0.9, eyes=0.55, tilt=0.15, bow=0.05, near=1.10),
    "Greet": Expression(smile=0.9, mouth=0.3, wide=1.2, teeth=0.3, raised=1.0, eyes=1.15, bow=-0.08, near=0.92),
    "Agree": Expression(smile=0.5, mouth=0.08, eyes=0.75, nod=0.14),
    "Apologise": Expression(smile=-0.6, mouth=0.05, frown=-1.0, eyes=0.5, bow=0.18, gaze=1.0),
    "Advise": Expression(smile=0.1, mouth=0.3, raised=0.9, wide=0.85, tilt=0.05, nod=0.03, gaze=-0.4),
    "Criticize": Expression(smile=-0.9, mouth=0.4, teeth=0.7, frown=1.0, raised=-0.7, near=1.14, shake=0.03),
    "Thank": Expression(smile=0.8, mouth=0.1, frown=-0.6, eyes=0.5, blush=0.9, bow=0.12),
    "Taunt": Expression(smile=0.7, mouth=0.15, wide=1.35, frown=0.8, eyes=0.6, tilt=0.20, raised=-0.2),
    "Prevent": Expression(smile=-0.3, mouth=0.75, wide=0.85, raised=0.9, eyes=1.3, near=1.18, shake=0.07),
    "Flaunt": Expression(smile=0.6, mouth=0.2, wide=1.1, raised=0.3, eyes=0.65, bow=-0.16, gaze=-0.6, blush=0.3),
    "Ask for help": Expression(smile=-0.1, mouth=0.3, wide=0.8, frown=-1.0, raised=0.9, eyes=1.25, bow=0.08, blush=0.5),
    "Joke": Expression(smile=1.0, mouth=0.8, wide=1.35, teeth=0.7, eyes=0.35, shake=0.05, nod=0.08, blush=0.4),
}

# From Complain, 286 utterances of MIntRec's 2,224, to Joke, 51: the two counts that are published. Between them the
# shares fall in equal ratios, in this order, which is ours.
_BY_FREQUENCY = (
    "Complain", "Inform", "Praise", "Apologise", "Thank", "Criticize", "Advise", "Care", "Arrange", "Introduce",
    "Comfort", "Greet", "Leave", "Agree", "Prevent", "Taunt", "Oppose", "Ask for help", "Flaunt", "Joke",
)  # fmt: skip
_WEIGHT = {name: (51 / 286) ** (k / (len(_BY_FREQUENCY) - 1)) for k, name in enumerate(_BY_FREQUENCY)}
SHARES: tuple[float, ...] = tuple(_WEIGHT[name] / sum(_WEIGHT.values()) for name in LINES)
