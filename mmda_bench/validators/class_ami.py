"""ClassAMI: the predicted classes are the clusters of the representations."""

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_mutual_info_score

from mmda_bench.registry import register_validator


@register_validator(
    "class-ami",
    title="ClassAMI",
    paper="Musgrave et al., Three New Validators and a Large-Scale Benchmark Ranking, arXiv 2208.07360",
    ours="no cluster for a class that nobody predicts; one predicted class scores 0; no PCA; joint representations",
)
def class_ami(*, target_probs: np.ndarray, target_z: np.ndarray) -> float:
    """Adjusted mutual information of argmax P and the clusters of z, at most 1, about 0 by chance.

    ``target_probs``: P, (n, K); ``target_z``: (n, d). The clusters are of k-means, started at the means of the
    predicted classes. Clusters that are consistent but wrong score well. A collapse scores 0.

    >>> class_ami(target_probs=np.eye(2)[[0, 0, 1, 1]], target_z=np.array([[0.0], [0.1], [5.0], [5.1]]))
    1.0
    """
    z = np.asarray(target_z, np.float64)
    predicted = target_probs.argmax(axis=1)
    classes = np.unique(predicted)
    if len(classes) == 1:
        return 0.0
    centres = np.stack([z[predicted == one].mean(axis=0) for one in classes])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different representations than classes
        clusters = KMeans(len(classes), init=centres, n_init=1, tol=0.0).fit(z).labels_
    return float(adjusted_mutual_info_score(predicted, clusters))
