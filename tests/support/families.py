"""The methods beyond the paper's ten, by family."""

GROUPS = {
    "multimodal": ["amanda", "mmsada", "xmuda"],
    "adversarial": ["cdan+mcc", "mcd", "mdd", "toalign"],
    "moment": ["cmd", "coral", "dan", "ddc", "jan", "jdda"],
    "transport": ["deepjdot", "gmm-otda", "infoot", "jumbot", "mpot"],
    "self-training": ["bnm", "fixmatch", "im", "mcc"],
    "baselines": ["anchor-teaching"],
    "": ["cma", "mixdann"],  # what the sources could not confirm is in no group
}
MORE = [name for names in GROUPS.values() for name in names]
