"""What the A3D2 paper published: the rows of its tables, in their order, and their numbers."""

PAPER_ORDER = ("dt", "dann", "cdan", "mada", "daln", "pcl", "fdd", "luhp", "dada", "a3d2")  # rows of Table 1


DRIFTS_ALIGNED = ("dann[align_on=drifts]", "cdan[align_on=drifts]")  # what AA does, by methods older than it
FAMILIES = {  # of the paper's ten, whose files do not say it: a change there would change the digests in stored records
    "multimodal": ("a3d2", "a3d2-released"),
    "adversarial": ("dann", "cdan", "cdan+e", "mada", "daln", "fdd", "fdd-kl", "dada"),
    "self-training": ("pcl", "luhp"),
    "baselines": ("dt", *DRIFTS_ALIGNED),
}
DOIS = {  # of what their files give no DOI for: a change there would change the digests in stored records
    "dt": "10.18653/v1/2025.acl-long.967",
    "dann": "10.48550/arXiv.1505.07818",
    "cdan": "10.48550/arXiv.1705.10667",
    "cdan+e": "10.48550/arXiv.1705.10667",
    "mada": "10.48550/arXiv.1809.02176",
    "daln": "10.48550/arXiv.2204.03838",
    "pcl": "10.48550/arXiv.2111.06021",
    "fdd": "10.48550/arXiv.2402.01887",
    "fdd-kl": "10.48550/arXiv.2402.01887",
    "luhp": "10.1609/aaai.v38i15.29630",
    "dada": "10.48550/arXiv.2401.00617",
    "a3d2": "10.18653/v1/2025.acl-long.967",
    "a3d2-released": "10.18653/v1/2025.acl-long.967",
}


ABLATION = "dt,a3d2[-add],a3d2[-aa],a3d2"  # rows of Table 2


PUBLISHED: dict[str, dict[str, tuple[float, float, float, float]]] = {
    "iemocap": {
        "dt": (54.15, 58.67, 57.59, 56.80),
        "dann": (62.20, 65.17, 63.38, 63.58),
        "cdan": (58.30, 64.51, 68.26, 63.69),
        "mada": (62.08, 62.07, 64.14, 62.76),
        "daln": (61.83, 70.25, 64.97, 65.68),
        "pcl": (61.96, 61.88, 61.43, 61.76),
        "fdd": (61.59, 64.60, 59.67, 61.95),
        "luhp": (64.75, 60.59, 60.69, 62.01),
        "dada": (62.82, 64.40, 65.34, 64.19),
        "a3d2[-add]": (62.73, 66.87, 68.87, 66.16),
        "a3d2[-aa]": (63.95, 63.55, 69.48, 65.66),
        "a3d2": (65.15, 70.84, 69.20, 68.40),
    },
    "mintrec": {
        "dt": (47.84, 61.42, 44.66, 51.31),
        "dann": (49.10, 64.32, 49.89, 54.44),
        "cdan": (51.63, 63.24, 53.05, 55.97),
        "mada": (50.74, 64.57, 48.30, 54.54),
        "daln": (24.47, 28.29, 24.39, 25.72),
        "pcl": (52.25, 65.42, 49.26, 55.64),
        "fdd": (51.28, 59.49, 47.96, 52.91),
        "luhp": (53.61, 63.38, 53.87, 56.59),
        "dada": (52.49, 66.37, 52.80, 57.22),
        "a3d2": (54.46, 66.08, 53.96, 58.17),
    },
}
