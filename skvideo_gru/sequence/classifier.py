"""The classifier of feature sequences."""

from __future__ import annotations

import copy
import math
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, assert_all_finite, check_is_fitted
from skorch.callbacks import EarlyStopping, GradientNormClipping
from skorch.helper import predefined_split
from torch import nn

from ..networks import (
    FUSED,
    OPTIMIZERS,
    POOLINGS,
    SCHEDULES,
    EpochProgress,
    GRUNetwork,
    SequenceDataset,
    WeightedNet,
    check_same_network,
    diverged,
    epoch_records,
    identity_collate,
    initialize_net,
    learning_rate_schedule,
    resolve_device,
    run_epochs,
    seeded,
    to_builtin,
)
from ..persistence import Versioned, restore_on_error
from .sequences import sequence_lengths, validate_sequences
from .training_data import (
    TrainingData,
    class_weights,
    held_out_weights,
    hold_out,
    relative_weights,
    usable_rows,
)

__all__ = ["GRUClassifier"]

# With a generator of its own, a loader draws nothing from torch's, which it would even without
# shuffling.
_PREDICTING: dict[str, Any] = {
    "iterator_valid__collate_fn": identity_collate,
    "iterator_valid__generator": torch.Generator(),
}


# What is more than an argument: saving and the sequences' weights rely on it.
_NOT_IN_NET_PARAMS = {
    "callbacks": "give them as callbacks=[...]",
    "criterion": "the loss is cross-entropy, with class_weight and label_smoothing",
    "module": "the network is a GRU; hidden_size, pooling and others shape it",
    "train_split": "early_stopping holds out, by validation_fraction, groups or X_val and y_val",
    "predict_nonlinearity": "probabilities are the softmax of the network's output",
}


class GRUClassifier(ClassifierMixin, Versioned, BaseEstimator):
    """Classify sequences of feature vectors with a GRU.

    The GRU [1]_ runs over a video's frames; a mean of its outputs, with weights
    that are learned, goes through fully connected layers. Training minimises
    cross-entropy, by default with Adam [2]_ at a learning rate that decays
    gradually, by skorch.

    Parameters
    ----------
    hidden_size : int, default=64
        Units of each GRU layer, in each direction.
    num_layers : int, default=1
        GRU layers on top of each other.
    bidirectional : bool, default=False
        Whether a second GRU runs from the end of a sequence to its beginning.
    dropout : float, default=0.0
        Share of units dropped in training, between GRU layers and before each
        fully connected layer.
    pooling : {"last", "mean", "max", "attention"}, default="attention"
        What goes on to the fully connected layers: the state after the last
        frame, the outputs' mean or maximum over the frames, or a mean whose
        weights are learned.
    delta_weight : float, default=0.0
        How many times as much as the features their changes count: beside every
        frame's features the GRU gets how far each has risen and how far it has fallen
        since the frame before, three times as many numbers. Changes are multiplied by
        the weight's square root, features divided by it. With 0 the GRU gets the
        features alone. `make_video_classifier` takes 100.
    fc_sizes : tuple of int, default=()
        Units of fully connected layers between the GRU and the last layer.
    optimizer : {"adam", "adamw", "nadam", "radam", "rmsprop", "sgd"}, default="adam"
        Torch's optimizer of that name, with torch's own settings but for the
        learning rate and the weight decay, and the momentum with ``"one_cycle"``.
    lr : float, default=1e-3
        Learning rate in the first epoch; the highest one for ``"one_cycle"``.
    lr_schedule : {"exponential", "step", "cosine", "plateau", "one_cycle"} or None, \
            default="exponential"
        How the learning rate goes on: shrinking after every epoch, every five
        epochs, to zero along a cosine, when the loss no longer falls, up and
        down again, or not at all; see `learning_rate_schedule`.
    lr_decay : float, default=0.97
        Factor by which ``"exponential"`` and ``"step"`` shrink the learning rate
        for every epoch, and ``"plateau"`` each time; 1 keeps it.
    weight_decay : float, default=0.0
        Weight decay.
    label_smoothing : float, default=0.0
        Share of each training target that is spread over all classes.
    max_grad_norm : float, optional
        Gradients with a larger norm are scaled down to it.
    max_epochs : int, default=20
        Passes over the training sequences.
    batch_size : int, default=16
        Sequences in a training step.
    early_stopping : bool, default=False
        Whether to hold out a part of the training sequences, stop when their
        loss no longer falls, and return to the weights of the best epoch. `fit`
        can be given other sequences for that, or groups that stay together.
    validation_fraction : float, default=0.1
        Share held out for early stopping, stratified by class; of groups one part in
        2, 3, 4 ..., whichever is nearest.
    n_iter_no_change : int, default=5
        Epochs without improvement after which training stops.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss; ``"balanced"`` weighs a class
        inversely to its frequency. Rows of a class with weight 0 are left out.
    mixed_precision : bool, default=False
        Whether training computes in bfloat16 what torch's autocast deems safe,
        which is faster on a GPU; not for sequences of float64.
    frame_dim : int, default=2048
        Length of a frame's feature vector, by which 2-D rows are folded.
        3-D input says it itself.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of an earlier `fit`.
    callbacks : list of skorch.callbacks.Callback, optional
        Further callbacks for the net. Each fit takes copies of them. To end a training
        early takes skorch's `EarlyStopping`: any other KeyboardInterrupt is the user's.
    net_params : dict, optional
        Further arguments of ``skorch.NeuralNetClassifier``, such as
        ``{"optimizer__amsgrad": True}``. Network, loss, callbacks and what is held out are not
        among them.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, order of batches, dropout and held-out part.
    device : str or torch.device, default="auto"
        Where the network computes; ``"auto"`` takes a GPU where there is one.
    verbose : int, default=0
        With 1 or more, a progress bar on a terminal.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    class_prior_ : ndarray of shape (n_classes,)
        Their frequencies in training.
    net_ : skorch.NeuralNetClassifier
        The trained net.
    module_ : GRUNetwork
        Its network.
    history_ : list of dict
        Numbers of every epoch: losses, duration and, where a schedule changes it after
        each, the learning rate.
    n_iter_ : int
        Epochs trained.
    n_features_in_ : int
        Features a row; for 3-D input frames times features.
    frame_dim_ : int
        Features a frame.
    feature_names_in_ : ndarray of str
        Column names, where `X` was a DataFrame.

    See Also
    --------
    ResNet50FrameFeaturizer : Turns videos into such sequences.

    Notes
    -----
    Frames at a sequence's end in which every feature is NaN are padding and are
    not looked at. A row without any real frame is left out in `fit` with a
    warning, and gets the class priors in `predict_proba`.

    `history_` and `n_iter_` tell of the latest `fit` and of all calls of
    `partial_fit` since. Saving keeps the net's weights and history; the
    optimizer's state and the callbacks end with the process. A `fit` that fails
    leaves the classifier as it was.

    Where the first sequences are a float64 array, all is computed in float64,
    otherwise in float32, which is faster; further ones are converted.

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
        "mixed_precision": ["boolean"],
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
        pooling="attention",
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
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, d)
            Sequences, padded with frames of NaN at their ends.
        y : array-like of shape (n,)
            Labels of any type.
        sample_weight : array-like of shape (n,), optional
            Weights of the sequences in the loss; those of weight 0 are left out.
        groups : array-like of shape (n,), optional
            Groups that early stopping does not part: it holds out some of them.
        X_val : array-like of shape (n_val, T * frame_dim) or (n_val, T, d), optional
            Sequences for early stopping, instead of held-out ones. A pipeline that is
            to transform them too is told so, ``Pipeline(..., transform_input=["X_val"])``.
        y_val : array-like of shape (n_val,), optional
            Their labels.

        Returns
        -------
        GRUClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If a parameter or the data is not valid, there is only one class, or the
            training diverges.
        """
        if not self.early_stopping and any(v is not None for v in (groups, X_val, y_val)):
            raise ValueError("groups, X_val and y_val are for early_stopping=True.")
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val belong together: give both or neither.")
        if X_val is not None and groups is not None:
            raise ValueError("groups are for what fit holds out: give them or X_val, not both.")
        start = getattr(self, "net_", None) if self.warm_start else None
        known = self.classes_ if start is not None else None
        dtype = None if start is None else self._dtype
        with restore_on_error(self):
            data = self._check_data(X, y, sample_weight, dtype=dtype)
            self._set_classes(data, known)
            data = self._of_weighted_classes(data)
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
            train, held_out = data, None
            if X_val is not None:
                held_out = self._check_data(X_val, y_val, None, dtype=data.sequences.dtype)
                self._check_labels(held_out.y)
                held_out = self._of_weighted_classes(held_out)
            elif self.early_stopping:
                if groups is not None:
                    check_consistent_length(X, groups)
                    groups = column_or_1d(groups)[data.rows]
                train, held_out = hold_out(data, groups, self.validation_fraction, seed)
            with seeded(seed):
                net = self._make_net(train, held_out)
                initialize_net(net, start)
                run_epochs(net, self._dataset(train))
            self._check_finite(net)
            # The held-out sequences have done their work and need not be pickled.
            self.net_, self._in_parts = net.set_params(train_split=None), False
            self._device = self.device
            self.history_ = epoch_records(self.net_)
            self.n_iter_ = len(self.history_)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch on some sequences.

        The learning rate stays as it is, and nothing is held out. From one call to the
        next `lr`, `batch_size` and `class_weight` may be changed; other options of the
        training stay those of the first. A classifier that was saved and loaded goes on
        with a fresh optimizer.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, d)
            Sequences, padded with frames of NaN at their ends.
        y : array-like of shape (n,)
            Labels.
        classes : array-like of shape (n_classes,), optional
            All labels that will ever occur, in the first call.
        sample_weight : array-like of shape (n,), optional
            Weights of the sequences in the loss; those of weight 0 are left out.

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
                "class_weight='balanced' needs all labels at once; give partial_fit a dict."
            )
        first = not hasattr(self, "net_")
        if first and classes is None:
            raise ValueError("The first call of partial_fit needs classes, all labels there are.")
        known = self.classes_ if classes is None else np.unique(classes)
        if not first and not np.array_equal(known, self.classes_):
            raise ValueError(
                f"classes={known.tolist()} are not those of the first call: "
                f"{self.classes_.tolist()}."
            )
        with restore_on_error(self):
            data = self._check_data(X, y, sample_weight, dtype=None if first else self._dtype)
            self._set_classes(data, known, before=None if first else self._class_counts)
            data = self._of_weighted_classes(data)
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
            # Another order of batches in every call.
            with seeded(seed + getattr(self, "n_iter_", 0)):
                net = self._make_net(data, None, schedule=False)
                before = None if first else self.net_
                if before is not None and self._in_parts:
                    check_same_network(net, before)
                    options = {"lr": net.lr, "batch_size": net.batch_size}
                    weight = net.get_params_for("criterion")["weight"]
                    net = copy.deepcopy(before)  # so that a failure leaves the other as it was
                    net.set_params(**options)
                    net.criterion_.weight.copy_(weight)
                else:
                    initialize_net(net, before)
                    net.history.extend([] if before is None else before.history)
                run_epochs(net, self._dataset(data), epochs=1)
            self._check_finite(net)
            self.net_, self._in_parts = net, True
            self._device = self.device
            self.history_ = epoch_records(self.net_)
            self.n_iter_ = len(self.history_)
        return self

    @property
    def module_(self) -> GRUNetwork:
        """The trained network.

        Returns
        -------
        GRUNetwork
            The net's module.
        """
        return self.net_.module_

    @property
    def _dtype(self) -> str:
        """The type that the net computes in."""
        return self.net_.get_params_for("module")["dtype"]

    def _check_data(self, X: Any, y: Any, sample_weight: Any, *, dtype: Any) -> TrainingData:
        """Validate training data and leave out rows without frames or weight.

        `dtype` is the net's; None for the first data, which decide it.
        """
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        first = dtype is None
        # Float64 is computed in float64, as by scikit-learn, and anything else in float32.
        dtypes = [np.float32, np.float64] if first else dtype
        sequences = validate_sequences(self, X, self.frame_dim, dtype=dtypes, reset=first)
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_consistent_length(sequences, y)
        check_classification_targets(y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, sequences, dtype=np.float64, ensure_non_negative=True
            )
        return usable_rows(sequences, y, sample_weight)

    def _set_classes(
        self, data: TrainingData, known: np.ndarray | None, before: np.ndarray | None = None
    ) -> None:
        """Note the labels and how frequent they are."""
        self.classes_ = np.unique(data.y) if known is None else known
        self._check_labels(data.y)
        if len(self.classes_) < 2:
            raise ValueError(
                "GRUClassifier needs at least 2 classes, got "
                f"{len(self.classes_)} class in y: {self.classes_.tolist()}."
            )
        encoded = np.searchsorted(self.classes_, data.y)
        counts = np.bincount(encoded, weights=data.weight, minlength=len(self.classes_))
        self._class_counts = counts if before is None else counts + before
        self.class_prior_ = self._class_counts / self._class_counts.sum()

    def _check_labels(self, y: np.ndarray) -> None:
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y holds labels that were not there at first: {unknown.tolist()}; known are "
                f"{self.classes_.tolist()}."
            )

    def _of_weighted_classes(self, data: TrainingData) -> TrainingData:
        """Leave out rows of classes with weight 0: a batch of such has no mean loss."""
        weights = class_weights(self.class_weight, self.classes_, data)
        counts = weights[np.searchsorted(self.classes_, data.y)] > 0
        if not counts.any():
            raise ValueError(f"class_weight={self.class_weight!r} leaves no row with a weight.")
        return data if counts.all() else data[counts]

    def _check_finite(self, net: WeightedNet) -> None:
        if diverged(net):
            raise ValueError(
                f"The training has diverged: loss or weights are not finite. Lower lr={self.lr}, "
                "set max_grad_norm, or scale the sequences."
            )

    def _make_net(
        self, train: TrainingData, held_out: TrainingData | None, *, schedule: bool = True
    ) -> WeightedNet:
        if not all(
            isinstance(size, Integral) and type(size) is not bool and int(size) > 0
            for size in self.fc_sizes
        ):
            raise ValueError(f"fc_sizes={self.fc_sizes!r} must hold positive ints only.")
        weights = class_weights(self.class_weight, self.classes_, train)
        split = None
        if held_out is not None:
            watched = self._dataset(held_out)
            watched.inputs["weight"] = held_out_weights(held_out, weights, self.classes_)
            split = predefined_split(watched)
        options = {
            "module__input_size": self.frame_dim_,
            "module__n_classes": len(self.classes_),
            "module__hidden_size": self.hidden_size,
            "module__num_layers": self.num_layers,
            "module__bidirectional": self.bidirectional,
            "module__dropout": self.dropout,
            "module__pooling": self.pooling,
            "module__delta_weight": self.delta_weight,
            "module__fc_sizes": tuple(map(to_builtin, self.fc_sizes)),
            "module__dtype": train.sequences.dtype.name,
            "criterion": nn.CrossEntropyLoss,
            "criterion__weight": torch.from_numpy(weights.astype(train.sequences.dtype)),
            "criterion__label_smoothing": self.label_smoothing,
            "optimizer": OPTIMIZERS[self.optimizer],
            "optimizer__weight_decay": self.weight_decay,
            "lr": self.lr,
            "max_epochs": self.max_epochs,
            "batch_size": self.batch_size,
            "iterator_train__shuffle": True,
            "iterator_train__collate_fn": identity_collate,
            **_PREDICTING,
            "train_split": split,
            "classes": np.arange(len(self.classes_)),
            "mixed_precision": self.mixed_precision,
            "device": resolve_device(self.device),
            "verbose": 0,
            **(self.net_params or {}),
        }
        for name in self.net_params or {}:
            whole = "criterion" if name.startswith("criterion__") else name
            if whole in _NOT_IN_NET_PARAMS:
                raise ValueError(f"net_params holds {name!r}; {_NOT_IN_NET_PARAMS[whole]}.")
        options = {name: to_builtin(value) for name, value in options.items()}
        if options["optimizer"] in FUSED and not options.get("optimizer__foreach"):
            options.setdefault("optimizer__fused", True)
        stopping = held_out is not None
        options["callbacks"] = self._callbacks(options, len(train.y), stopping, schedule)
        return WeightedNet(GRUNetwork, **options)

    def _callbacks(
        self, options: dict[str, Any], n_sequences: int, stopping: bool, schedule: bool
    ) -> list[Any]:
        callbacks: list[Any] = []
        if stopping:
            stop = EarlyStopping(patience=self.n_iter_no_change, load_best=True)
            callbacks.append(("early_stopping", stop))
        if schedule:
            callbacks += learning_rate_schedule(
                self.lr_schedule,
                decay=self.lr_decay,
                lr=options["lr"],
                max_epochs=options["max_epochs"],
                n_batches=math.ceil(n_sequences / options["batch_size"]),
                monitor="valid_loss" if stopping else "train_loss",
            )
        if self.max_grad_norm is not None:
            clipping = GradientNormClipping(gradient_clip_value=self.max_grad_norm)
            callbacks.append(("max_grad_norm", clipping))
        if self.verbose and schedule:
            callbacks.append(("progress", EpochProgress("GRU")))
        try:
            return callbacks + copy.deepcopy(list(self.callbacks or []))
        except TypeError as error:
            raise ValueError(
                f"callbacks={self.callbacks!r} cannot be copied for this fit: {error}. Let them "
                "open files and the like in on_train_begin."
            ) from error

    def _dataset(self, data: TrainingData) -> SequenceDataset:
        inputs = {"sequences": data.sequences, "lengths": data.lengths}
        if data.weight is not None:
            inputs["weight"] = relative_weights(data.weight, data.sequences.dtype)
        return SequenceDataset(inputs, np.searchsorted(self.classes_, data.y))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Compute the probability of every class.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, d)
            Sequences, padded with frames of NaN at their ends.

        Returns
        -------
        ndarray of shape (n, n_classes), float32 or float64
            Probabilities, in the order of ``classes_``; the class priors for a
            row without any frame.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If `X` does not fit.
        """
        sequences, lengths = self._sequences(X)
        proba = np.tile(self.class_prior_.astype(self._dtype), (len(lengths), 1))
        if lengths.any():
            # A slice copies nothing.
            rows = slice(None) if lengths.all() else np.flatnonzero(lengths)
            inputs = {"sequences": sequences[rows], "lengths": lengths[rows]}
            proba[rows] = self._net_proba(inputs)
        return proba

    def predict_proba_frames(self, X: Any) -> np.ndarray:
        """Compute the probability of every class after every frame.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, d)
            Sequences, padded with frames of NaN at their ends.

        Returns
        -------
        ndarray of shape (n, T, n_classes), float32 or float64
            What `predict_proba` gives for the sequence up to each frame; NaN
            where there is none.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If `X` does not fit.
        """
        sequences, lengths = self._sequences(X)
        shape = (*sequences.shape[:2], len(self.classes_))
        running = np.full(shape, np.nan, dtype=self._dtype)
        for frame in range(int(lengths.max(initial=0))):
            rows = np.flatnonzero(lengths > frame)
            heads = {
                "sequences": sequences[rows, : frame + 1],
                "lengths": np.full(len(rows), frame + 1),
            }
            running[rows, frame] = self._net_proba(heads)
        return running

    def _sequences(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        check_is_fitted(self, "net_")
        sequences = validate_sequences(self, X, self.frame_dim, dtype=self._dtype, reset=False)
        return sequences, sequence_lengths(sequences)

    def _net_proba(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        if self.device != self._device:  # set since the fit
            device = resolve_device(self.device, training=False)
            self.net_.module_.to(device)
            self.net_.device, self._device = device, self.device
            self._in_parts = False  # the optimizer stays behind
        return self.net_.predict_proba(SequenceDataset(inputs))

    def predict(self, X: Any) -> np.ndarray:
        """Predict the most probable class.

        Parameters
        ----------
        X : array-like of shape (n, T * frame_dim) or (n, T, d)
            Sequences, padded with frames of NaN at their ends.

        Returns
        -------
        ndarray of shape (n,)
            Labels.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If `X` does not fit.
        """
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    def __getstate__(self) -> dict[str, Any]:
        """Return what is saved: of the net its weights, as arrays that know no device."""
        state = dict(super().__getstate__())
        for name in ("_in_parts", "_device"):  # neither optimizer nor device travel
            state.pop(name, None)
        if "net_" in state:
            net = state.pop("net_")
            weights = net.module_.state_dict()
            state["_saved_net"] = {
                "module": net.get_params_for("module"),
                "batch_size": net.batch_size,
                "weights": {name: value.cpu().numpy() for name, value in weights.items()},
            }
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Build the net anew around the saved weights."""
        state = dict(state)
        saved = state.pop("_saved_net", None)
        super().__setstate__(state)
        if saved is None:
            return
        self._device, self._in_parts = self.device, False
        self.net_ = WeightedNet(
            GRUNetwork,
            **{f"module__{name}": value for name, value in saved["module"].items()},
            criterion=nn.CrossEntropyLoss,
            batch_size=saved["batch_size"],
            **_PREDICTING,
            classes=np.arange(len(self.classes_)),
            device=resolve_device(self.device, training=False),
            verbose=0,
        )
        with seeded(0):
            self.net_.initialize()
        weights = {name: torch.tensor(value) for name, value in saved["weights"].items()}
        self.net_.module_.load_state_dict(weights)
        for record in self.history_:
            self.net_.history.new_epoch()
            for name, value in record.items():
                self.net_.history.record(name, value)

    def __sklearn_tags__(self):
        """Tell scikit-learn what input is accepted."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
