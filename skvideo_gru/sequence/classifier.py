"""The classifier of feature sequences."""

from __future__ import annotations

import copy
from functools import partial
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import _fit_context
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions

from ..networks import (
    OPTIMIZERS,
    POOLINGS,
    SCHEDULES,
    WeightedNet,
    check_same_network,
    diverged,
    epoch_records,
    fit_in_first,
    initialize_net,
    run_epochs,
    seeded,
    trained_a_backbone,
    useful_threads,
)
from ..persistence import restore_on_error
from .net_building import build_net, check_net_params, to_dataset
from .predicting import SequencePredictor
from .training_data import (
    TrainingData,
    check_fit_arguments,
    check_training_data,
    split_rows,
)
from .weighting import drop_unweighted


class GRUClassifier(SequencePredictor):
    """Classify sequences of feature vectors with a GRU.

    The GRU [1]_ processes a video's frames in order. Its pooled outputs pass through
    fully connected layers. Training minimises cross-entropy with skorch, by default
    with Adam [2]_ and an exponentially decaying learning rate.

    Parameters
    ----------
    hidden_size : int, default=64
        Units of each GRU layer, in each direction.
    num_layers : int, default=1
        Number of stacked GRU layers.
    bidirectional : bool, default=False
        Whether a second GRU processes the frames in reverse order.
    dropout : float, default=0.0
        Dropout probability between GRU layers and before each fully connected layer.
    pooling : {"last", "mean", "max", "attention", "pyramid"}, default="pyramid"
        How the outputs of all frames become one vector: the state after the last
        frame, their mean, their maximum, a mean with learned weights, or that mean and
        the means over the four quarters of the video, concatenated.
    delta_weight : float, default=0.0
        Weight of frame-to-frame differences relative to the features. The GRU's input
        is the features of each frame, and the positive and the negative part of their
        differences from the previous frame. Differences are multiplied by the square
        root of the weight, and features divided by it. With 0, the features are the
        only input. `make_video_classifier` sets 100.
    fc_sizes : tuple of int, default=()
        Units of hidden fully connected layers between the GRU and the output layer.
    optimizer : {"adam", "adamw", "nadam", "radam", "rmsprop", "sgd"}, default="adam"
        Torch's optimizer, with torch's defaults except for the learning rate, the
        weight decay and, with ``"one_cycle"``, the momentum.
    lr : float, default=1e-3
        Initial learning rate; for ``"one_cycle"`` the maximum.
    lr_schedule : {"exponential", "step", "cosine", "plateau", "one_cycle"} or None, \
            default="exponential"
        Learning-rate schedule: decay after every epoch, decay after every five
        epochs, cosine annealing to zero, decay when the loss stops decreasing,
        the one-cycle policy, or a constant rate.
    lr_decay : float, default=0.97
        Decay factor per epoch for ``"exponential"`` and ``"step"``, and per plateau
        for ``"plateau"``; 1 means a constant rate.
    weight_decay : float, default=0.0
        Weight decay.
    label_smoothing : float, default=0.0
        Share of each training target that is spread over all classes.
    max_grad_norm : float, optional
        Maximum gradient norm; larger gradients are scaled down.
    max_epochs : int, default=20
        Maximum number of epochs.
    batch_size : int, default=16
        Sequences per batch.
    early_stopping : bool, default=False
        Whether to hold out part of the training sequences, stop when their loss
        stops decreasing, and restore the weights of the best epoch. `fit` also
        accepts a validation set, or groups. Features of a backbone that was
        trained on the same labels need a validation set, see Notes.
    validation_fraction : float, default=0.1
        Share to hold out for early stopping, stratified by class. With groups, the
        nearest of 1/2, 1/3, 1/4, ...
    n_iter_no_change : int, default=5
        Epochs without improvement after which early stopping ends the training.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss; ``"balanced"`` sets them inversely
        proportional to the class frequencies. Classes that a dict does not contain
        have weight 1. If it contains all classes of `y`, further keys are ignored.
        Rows of a class with weight 0 are ignored. As in torch, the loss of a batch is the
        weighted mean of its rows, so that weights compare the rows of a batch: small
        batches reduce their effect.
    mixed_precision : bool or "auto", default=False
        Whether to train with torch's autocast to bfloat16; not for float64 sequences.
        ``"auto"`` uses it for float32 sequences where the hardware supports it: on GPUs
        with bfloat16, and on processors with AMX or AVX512-BF16. The result then depends
        on the hardware.
    frame_dim : int, default=2048
        Features per frame, for 2-D input. 3-D input determines it, and so does a
        `FrameWise` step before the classifier in a `VideoPipeline`.
    warm_start : bool, default=False
        Whether `fit` starts from the weights of the previous `fit`.
    callbacks : list of skorch.callbacks.Callback, optional
        Additional callbacks for the net, copied for each fit. Only skorch's
        `EarlyStopping` may end a training: any other KeyboardInterrupt is re-raised.
    net_params : dict, optional
        Further arguments of ``skorch.NeuralNetClassifier``, such as
        ``{"optimizer__amsgrad": True}``; except for the network, the loss, the
        callbacks and the validation split.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, batch order, dropout and held-out sequences.
    device : str or torch.device, default="auto"
        Device of the network; ``"auto"`` selects a GPU if there is one.
    verbose : int, default=0
        With 1 or more, a progress bar; without a terminal or notebook, a line every
        30 seconds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    class_prior_ : ndarray of shape (n_classes,)
        Class frequencies of the training data.
    net_ : skorch.NeuralNetClassifier
        The trained net.
    module_ : GRUNetwork
        Its network.
    history_ : list of dict
        Losses and duration of each epoch and, where a schedule changes it after
        each, the learning rate.
    n_iter_ : int
        Number of trained epochs.
    n_features_in_ : int
        Features per row; for 3-D input frames times features.
    frame_dim_ : int
        Features per frame.
    feature_names_in_ : ndarray of str
        Column names, if `X` was a DataFrame.

    See Also
    --------
    ResNet50FrameFeaturizer : Computes such sequences from videos.

    Notes
    -----
    Trailing frames in which every feature is NaN are padding and are masked. `fit`
    ignores a row without frames, with a warning; `predict_proba` returns the class
    priors for it.

    A backbone that was trained with labels has memorised its training videos. The loss
    of held-out sequences then keeps decreasing, even for random labels. `fit`
    with early stopping therefore raises an error if a `ResNet50FrameFeaturizer` of this
    process was trained with the same `y` object, as in a scikit-learn Pipeline. Use
    `VideoPipeline`, which holds videos out before its first step, or pass `X_val`.

    `history_` and `n_iter_` cover the latest `fit` and all later calls of
    `partial_fit`. A saved classifier contains the weights and the history, not the
    optimizer's state or the callbacks. A `fit` that fails changes no attribute.

    The network computes in float64 if the first training sequences are float64, and in
    float32 otherwise, which is faster. Later input is converted.

    On a CPU, small batches are processed by fewer threads than torch's setting, which is not
    changed: one thread for every 500 million floating-point operations of a batch's forward
    pass.

    References
    ----------
    .. [1] K. Cho et al., "Learning Phrase Representations using RNN
       Encoder-Decoder for Statistical Machine Translation", 2014,
       arXiv:1406.1078.
    .. [2] D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization",
       2014, arXiv:1412.6980.

    Examples
    --------
    >>> import numpy as np
    >>> from skvideo_gru import GRUClassifier
    >>> rising = np.linspace(0, 1, 8)[None, :, None].repeat(20, axis=0)
    >>> X = np.concatenate([rising, rising[:, ::-1]]).astype(np.float32)
    >>> y = ["rising"] * 20 + ["falling"] * 20
    >>> clf = GRUClassifier(max_epochs=30, lr=0.01, random_state=0).fit(X, y)
    >>> clf.predict(X[[0, -1]])
    array(['rising', 'falling'], dtype='<U7')
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "num_layers": [Interval(Integral, 1, None, closed="left")],
        "bidirectional": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "pooling": [StrOptions(set(POOLINGS))],
        "delta_weight": [Interval(Real, 0, None, closed="left")],
        "fc_sizes": [tuple, list],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions(set(SCHEDULES)), None],
        "lr_decay": [Interval(Real, 0, 1, closed="right")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "mixed_precision": ["boolean", StrOptions({"auto"})],
        "frame_dim": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "callbacks": [list, None],
        "net_params": [dict, None],
        "random_state": ["random_state"],
        "device": [str, torch.device],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_size=64,
        *,
        num_layers=1,
        bidirectional=False,
        dropout=0.0,
        pooling="pyramid",
        delta_weight=0.0,
        fc_sizes=(),
        optimizer="adam",
        lr=1e-3,
        lr_schedule="exponential",
        lr_decay=0.97,
        weight_decay=0.0,
        label_smoothing=0.0,
        max_grad_norm=None,
        max_epochs=20,
        batch_size=16,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        class_weight=None,
        mixed_precision=False,
        frame_dim=2048,
        warm_start=False,
        callbacks=None,
        net_params=None,
        random_state=None,
        device="auto",
        verbose=0,
    ):
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.pooling = pooling
        self.delta_weight = delta_weight
        self.fc_sizes = fc_sizes
        self.optimizer = optimizer
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.lr_decay = lr_decay
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.max_grad_norm = max_grad_norm
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.mixed_precision = mixed_precision
        self.frame_dim = frame_dim
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.net_params = net_params
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Train the network.

        With several processes, the first one trains and the others receive the result: this
        takes less time than to exchange the gradients of many short steps.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, d)
            Sequences, padded with trailing frames of NaN.
        y : array-like of shape (n,)
            Labels of any type.
        sample_weight : array-like of shape (n,), optional
            Weights of the sequences in the loss, relative to the other rows of a batch as
            those of `class_weight`; rows of weight 0 are ignored.
        groups : array-like of shape (n,), optional
            Groups: early stopping holds out whole groups.
        X_val : array-like of shape (n_val, T * frame_dim) or (n_val, T, d), optional
            Validation sequences for early stopping, instead of held-out ones. To have
            a Pipeline transform them: ``Pipeline(..., transform_input=["X_val"])``.
        y_val : array-like of shape (n_val,), optional
            Labels of `X_val`.
        sample_weight_val : array-like of shape (n_val,), optional
            Weights of `X_val`.

        Returns
        -------
        GRUClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If a parameter or the data is not valid, there is only one class, the
            training diverges, or early stopping would hold out sequences whose labels
            a backbone was trained on.
        """
        validation = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
        check_fit_arguments(self.early_stopping, groups, validation)
        if self.early_stopping and X_val is None and trained_a_backbone(y):
            raise ValueError(
                "The backbone has been trained on the videos that early_stopping=True would hold "
                "out, so their loss is not a validation loss. Use make_video_classifier or "
                "VideoPipeline, which hold videos out before the first step, or pass the features "
                "of other videos to fit as X_val and y_val. If X was not computed by this "
                "backbone, pass y.copy() to skip this check."
            )
        held_out = None if X_val is None else (X_val, y_val, sample_weight_val)
        with restore_on_error(self):
            fit_in_first(self, partial(self._fit, X, y, sample_weight, groups, held_out))
        return self

    def _validate_params(self) -> None:
        super()._validate_params()
        check_net_params(vars(self))

    def _fit(self, X: Any, y: Any, sample_weight: Any, groups: Any, validation: Any) -> None:
        start = getattr(self, "net_", None) if self.warm_start else None
        known = self.classes_ if start is not None else None
        dtype: Any = None if start is None else self._dtype
        data = check_training_data(self, X, y, sample_weight, dtype=dtype)
        self._set_classes(data, known)
        data = drop_unweighted(data, self.class_weight, self.classes_)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        train, held_out = data, None
        self._validated_on_given = validation is not None
        if validation is not None:
            held_out = check_training_data(
                self, *validation, dtype=data.sequences.dtype, name="the validation data"
            )
            self._check_labels(held_out.y)
            held_out = drop_unweighted(held_out, self.class_weight, self.classes_)
        elif self.early_stopping:
            if groups is not None:
                check_consistent_length(X, groups)
                groups = column_or_1d(groups)[data.rows]
            rows = split_rows(data.y, groups, self.validation_fraction, seed)
            train, held_out = data[rows[0]], data[rows[1]]
        with seeded(seed):
            net = self._build_net(train, held_out)
            initialize_net(net, start)
            self._run_epochs(net, train)
        # The held-out sequences are no longer needed and are not pickled.
        self._set_net(net.set_params(train_split=None), in_parts=False)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch.

        The learning rate is constant and no sequences are held out. Between calls `lr`,
        `batch_size` and `class_weight` may change; other training options remain those
        of the first call. After loading, training continues with a new optimizer.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, d)
            Sequences, padded with trailing frames of NaN.
        y : array-like of shape (n,)
            Labels.
        classes : array-like of shape (n_classes,), optional
            All labels that will occur; required in the first call.
        sample_weight : array-like of shape (n,), optional
            Weights of the sequences in the loss; rows of weight 0 are ignored.

        Returns
        -------
        GRUClassifier
            The classifier.

        Raises
        ------
        ValueError
            If a parameter or the data is not valid, a label is unknown, or the training
            diverges.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' is not supported by partial_fit; pass a dict instead."
            )
        first = not hasattr(self, "net_")
        if first and classes is None:
            raise ValueError(
                "classes, a list of all labels, must be passed on the first call to partial_fit."
            )
        known = self.classes_ if classes is None else np.unique(classes)
        if not first and not np.array_equal(known, self.classes_):
            raise ValueError(
                f"classes={known.tolist()} is not the same as on the first call to partial_fit: "
                f"{self.classes_.tolist()}. Pass the same list, or fit a clone."
            )
        with restore_on_error(self):
            dtype = None if first else self._dtype
            data = check_training_data(self, X, y, sample_weight, dtype=dtype)
            self._set_classes(data, known, before=None if first else self._class_counts)
            data = drop_unweighted(data, self.class_weight, self.classes_)
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
            # Each call shuffles the batches differently.
            with seeded(seed + getattr(self, "n_iter_", 0)):
                net = self._build_net(data, None, partial=True)
                before = None if first else self.net_
                if before is not None and self._in_parts:
                    check_same_network(net, before)
                    options = {"lr": net.lr, "batch_size": net.batch_size}
                    weight = net.get_params_for("criterion")["weight"]
                    net = copy.deepcopy(before)  # a failure must not change the fitted net
                    net.set_params(**options)
                    net.criterion_.weight.copy_(weight)
                else:
                    initialize_net(net, before)
                    net.history.extend([] if before is None else before.history)
                self._run_epochs(net, data, epochs=1)
            self._set_net(net, in_parts=True)
        return self

    def _build_net(
        self, train: TrainingData, held_out: TrainingData | None, *, partial: bool = False
    ) -> WeightedNet:
        params = self.get_params(deep=False)
        return build_net(params, train, held_out, classes=self.classes_, partial=partial)

    def _run_epochs(self, net: WeightedNet, data: TrainingData, epochs: int | None = None) -> None:
        n_sequences = min(len(data.rows), net.batch_size)
        with useful_threads(net, n_sequences * data.sequences.shape[1]):
            run_epochs(net, to_dataset(data, self.classes_), epochs)

    def _set_net(self, net: WeightedNet, *, in_parts: bool) -> None:
        if diverged(net):
            raise ValueError(
                "The training of the GRU has diverged: the loss or the weights are not finite. "
                f"Reduce lr (now {self.lr}), set max_grad_norm, or scale the features."
            )
        self.net_, self._in_parts, self._device = net, in_parts, self.device
        self.history_ = epoch_records(net)
        self.n_iter_ = len(self.history_)

    def _set_classes(
        self, data: TrainingData, known: np.ndarray | None, before: np.ndarray | None = None
    ) -> None:
        """Set the labels and their frequencies."""
        self.classes_ = np.unique(data.y) if known is None else known
        self._check_labels(data.y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"GRUClassifier requires at least 2 classes, got {len(self.classes_)} class in y: "
                f"{self.classes_.tolist()}. Add sequences of another class."
            )
        encoded = np.searchsorted(self.classes_, data.y)
        counts = np.bincount(encoded, weights=data.weight, minlength=len(self.classes_))
        self._class_counts = counts if before is None else counts + before
        self.class_prior_ = self._class_counts / self._class_counts.sum()

    def _check_labels(self, y: np.ndarray) -> None:
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y contains unknown labels: {unknown.tolist()}; the classes are "
                f"{self.classes_.tolist()}. Correct the labels. Classes of which no training "
                "sequence has a frame, for example because videos are unreadable, are unknown."
            )
