"""What the values of a record may be: in words for people, and as limits for pydantic."""

from collections.abc import Callable
from typing import Annotated, Any, cast

from mmda_bench.dataset import MODALITIES
from mmda_bench.protocol import ANCHORS

LARGEST = 1e100  # of any number: sums and squares of such are still finite


class Expected:
    """What a value must be, in words for people and as limits for pydantic, which is imported when a file is read."""

    def __init__(self, words: str, **limits: Any) -> None:
        self.words, self.limits = words, limits

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        schema = {**handler(source), "strict": True, **self.limits}
        return core_schema.custom_error_schema(
            cast(Any, schema), custom_error_type="expected", custom_error_message=f"expected {self.words}"
        )


class CheckedApart:
    """The key: that of a cell and that of a submission have different shapes."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        return core_schema.any_schema()


Text = Annotated[str, Expected("text")]
Number = Annotated[float, Expected(f"a number, at most {LARGEST:g} in size", ge=-LARGEST, le=LARGEST)]
Measure = Annotated[float, Expected(f"a number from 0 to {LARGEST:g}", ge=0, le=LARGEST)]
Factor = Annotated[float, Expected(f"a number above 0, at most {LARGEST:g}", gt=0, le=LARGEST)]
Share = Annotated[float, Expected("a number from 0 to 1", ge=0, le=1)]
Count = Annotated[int, Expected("a whole number, 0 or more", ge=0, le=int(LARGEST))]
Positive = Annotated[int, Expected("a whole number, 1 or more", ge=1, le=int(LARGEST))]
Range = Annotated[list[Number | None], Expected("[lowest, highest]", min_length=2, max_length=2)]
Note = Annotated[list[Text], Expected("[id, reason]", min_length=2, max_length=2)]
Modality = Annotated[str, Expected(f"one of {', '.join(MODALITIES)}", pattern=f"^({'|'.join(MODALITIES)})$")]
Anchor = Annotated[str, Expected(f"one of {', '.join(ANCHORS)}", pattern=f"^({'|'.join(ANCHORS)})$")]
Digest = Annotated[str, Expected("64 hexadecimal digits", pattern="^[0-9a-f]{64}$")]
MOMENT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+00:00)$"  # older records end in +00:00
Moment = Annotated[str, Expected("a time in UTC such as 2026-01-31T12:00:00Z", pattern=MOMENT)]
