"""The options of the commands: values, bounds and help.

The command line spells each union of `multvae_jax.config.unions` as flat flags (`--dataset`,
`--data`, `--train`, ...), which `multvae_jax.config.flags` turns into its members.

Nothing in this module imports jax, because `multvae --help` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import tyro
from msgspec import Meta

from multvae_jax import recipe
from multvae_jax.checks.bounds import (
    Count,
    Cutoff,
    LeastCount,
    NotNegative,
    Positive,
    Rate,
    Seed,
    Size,
    Widths,
)
from multvae_jax.config import none
from multvae_jax.config.unions import (
    Grid,
    NamedDataset,
    Rise,
    Search,
    Source,
    SplitKind,
    UserSplit,
)


def shown(metavar: str | None = None, unset: str = "", **how: Any) -> Any:
    """How `--help` shows an option.

    Args:
        metavar: placeholder of its value; by default the name of its type.
        unset: default that is shown if the option is unset.
        **how: further arguments of `tyro.conf.arg`.
    """

    def hint(default: str) -> str:
        shown = unset if default in ("None", "") else default
        return f"(default: {shown})" if shown else ""

    return tyro.conf.arg(metavar=metavar, help_behavior_hint=hint, **how)


def constants_shown(unset: str, **how: Any) -> Any:
    """How `--help` shows constants, given those that hold if none are set."""
    return shown("[NAME NUMBER ...]", unset, **how)


COLUMN = shown("COLUMN", "the usual names")
CUTOFFS = (20, 50, 100)


@dataclass(frozen=True)
class DataOptions:
    """The interactions: where they come from, which are kept, and which users are held out.

    Attributes:
        source: A data set by name, a file, or the files of a split.
        split: What is held out: users, the latest interactions, or the last ones of each user.
        titles: File with the titles of the items.
        items_file: File with features of the items, such as their genres, for the metrics of
            genres, and for a model of yours that reads features of items.
        features_column: Column of that file with the features.
        item_vectors: File with a vector of each item (CSV, Parquet, .npz or .npy), for the metrics
            of vectors, and for a model of yours that reads features of items.
        users_file: File about users, such as users.dat or u.user of MovieLens, or a CSV file with
            a header.
        user_features: Columns of --users-file, by name or number, that a model of yours reads as
            features of the users, such as gender age; age:number or age:category decides what a
            column holds.
        min_rating: Lowest rating of the interactions to keep.
        min_user_count: Fewest interactions of a user to keep.
        min_item_count: Fewest interactions of an item to keep.
        held_out: Number of validation users, and of test users unless --folds decides on these;
            below 1, their share; 0 for a final model, trained on all users, without a test. Its
            epoch is selected on a tenth of each user's interactions first, unless --epochs is set
            without --patience. For a split that is given without validation, the share of each
            user's training interactions on which the epoch is selected before the model is
            trained on all of them, or none to train all epochs.
        fold_in: Share of the interactions of a held-out user that the model sees.
        split_seed: Seed that draws the held-out users.
        user_column: Column with the user: its name, or its number, from 1.
        item_column: Column with the item.
        rating_column: Column with the rating.
        time_column: Column with the time.
        encoding: Encoding of a text file, such as latin-1 or utf-16.
        separator: Separator of the fields: a character, several such as "::", tab, or blanks for
            any number of spaces and tabs.
        quote: Character around quoted fields, or none if quotes are part of the text.
        header: Whether the first line holds the names of the columns.
        lines: Content of the lines: rows of a table, or users, each followed by its items.
    """

    source: tyro.conf.Suppress[Source] = field(default_factory=NamedDataset)
    split: tyro.conf.Suppress[SplitKind] = field(default_factory=UserSplit)
    titles: Annotated[
        str | None, shown("FILE", "movies.csv, movies.dat or .item beside the data")
    ] = None
    items_file: Annotated[str | None, shown("FILE", "that of the titles")] = None
    features_column: Annotated[str | None, shown("COLUMN", "genres, category, ...")] = None
    item_vectors: Annotated[str | None, shown("FILE", "none")] = None
    users_file: Annotated[str | None, shown("FILE", "found beside the data")] = None
    user_features: Annotated[tuple[str, ...] | None, shown("[COLUMN ...]", "none")] = None
    min_rating: Annotated[float | None, shown(unset="the data set's own, or none")] = None
    min_user_count: Annotated[
        Annotated[int, Meta(ge=0)] | None, shown(unset="the data set's own, or 5")
    ] = None
    min_item_count: Annotated[
        Annotated[int, Meta(ge=0)] | None, shown(unset="the data set's own, or 0")
    ] = None
    held_out: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        none.HELD_OUT,
        shown(unset="the data set's own, or 0.1"),
    ] = None
    fold_in: Annotated[float, Meta(gt=0, lt=1)] = 0.8
    split_seed: Seed = 98765
    user_column: Annotated[str | None, COLUMN] = None
    item_column: Annotated[str | None, COLUMN] = None
    rating_column: Annotated[str | None, COLUMN] = None
    time_column: Annotated[str | None, COLUMN] = None
    encoding: Annotated[str | None, shown("NAME", "UTF-8, else latin-1")] = None
    separator: Annotated[str | None, shown("TEXT", "found in the file")] = None
    quote: Annotated[str | None, shown("CHARACTER", "the double quote, where it fits")] = None
    header: Literal["auto", "yes", "no"] = "auto"
    lines: Literal["auto", "rows", "users"] = "auto"


NAME = shown("NAME")
NAME_OR_MODELS_OWN = shown("NAME", "the model's own")


@dataclass(frozen=True)
class ModelOptions:
    """The model and its parts.

    Attributes:
        model: Model to train: mult-vae, mult-dae, recvae, vamp-vae; a baseline: popularity, ease,
            edlae, slim, linear-autoencoder, item-knn, rp3beta, wmf; auto, which tries several in
            the time of --minutes and keeps the best on validation; or a function of yours, which
            receives those of the options below that are among its parameters.
        model_constants: Further arguments of the model, by name, such as gamma 0.005 of recvae or
            pseudo_inputs 200 of vamp-vae; or constants of a baseline, such as regularization 300
            of ease, whose others are chosen on the validation users.
        hidden: Widths of the layers between the items and the code, or none for no hidden
            layer.
        latent: Number of dimensions of the code.
        activation: Activation between the layers: a function of jax.nn, or yours.
        network: Encoder and decoder: variational_mlp, bounded_mlp, which activates the mean of
            the posterior, denoising_mlp, gated_mlp, or yours.
        network_constants: Constants of the network, by name.
        likelihood: Likelihood of the clicks: multinomial, logistic, gaussian, poisson, or yours. If
            it is unset, the recipe may give the multinomial a gravity.
        constants: Constants of the likelihood, by name, such as gravity 0.02 of the multinomial, or
            c1 1 c0 0.1 of the gaussian.
        prior: Prior over the code: standard_normal, or yours.
        prior_constants: Constants of the prior, by name.
        objective: Training loss: negative_elbo, denoising_loss, or yours.
        objective_constants: Constants of the training loss, by name.
        dropout: Dropout rate of the input.
        weight_penalty: Weight of the sum of squared weights in the loss.
        blend: Baseline whose scores are added to those of the model: edlae, rp3beta, any other, or
            auto, which is edlae unless the catalogue is too large for it.
        blend_constants: Constants of the blend, by name: those of its baseline, and the weight of
            the baseline's scores, from 0 to 1.
        precision: Precision of the matrix products; parameters, sums and optimizer state stay
            float32.
        item_block: Number of items whose logits are computed at a time in training.
        n_user_features: Number of features of a user, found in the file about users.
    """

    model: Annotated[str, NAME] = "mult-vae"
    model_constants: Annotated[dict[str, float], constants_shown("none")] = field(
        default_factory=dict
    )
    hidden: Annotated[
        Widths | None, none.HIDDEN, shown("WIDTHS", "the recipe's, or the model's own")
    ] = None
    latent: Annotated[Size | None, shown(unset="the recipe's, or the model's own")] = None
    activation: Annotated[str, NAME] = "tanh"
    network: Annotated[str | None, NAME_OR_MODELS_OWN] = None
    network_constants: Annotated[dict[str, float], constants_shown("the network's own")] = field(
        default_factory=dict
    )
    likelihood: Annotated[str | None, shown("NAME", "multinomial")] = None
    constants: Annotated[
        dict[str, float],
        constants_shown(
            "the recipe's, or the likelihood's own", aliases=["--likelihood-constants"]
        ),
    ] = field(default_factory=dict)
    prior: Annotated[str, NAME] = "standard_normal"
    prior_constants: Annotated[dict[str, float], constants_shown("the prior's own")] = field(
        default_factory=dict
    )
    objective: Annotated[str | None, NAME_OR_MODELS_OWN] = None
    objective_constants: Annotated[dict[str, float], constants_shown("the loss's own")] = field(
        default_factory=dict
    )
    dropout: Annotated[Rate | None, shown(unset="the recipe's, or the model's own")] = None
    weight_penalty: Annotated[NotNegative | None, shown(unset="2e-5 for mult-dae, else 0")] = None
    blend: Annotated[str | None, shown("NAME", "the model alone")] = None
    blend_constants: Annotated[
        dict[str, float], constants_shown("the best on the validation users")
    ] = field(default_factory=dict)
    precision: Literal["float32", "bfloat16"] = "float32"
    item_block: Annotated[Size | None, shown(unset="all items")] = None
    n_user_features: tyro.conf.Suppress[int | None] = None

    @property
    def name(self) -> str:
        """Name of the model in tables and file names."""
        name = self.model.rpartition(":")[2]
        return name if self.blend is None else f"{name}-blend"


@dataclass(frozen=True)
class TrainingOptions:
    """The training: its length, its optimizer, and the weight of the KL term.

    Attributes:
        recipe: Recipe for the options that are not set: adaptive, which depends on the size of the
            data, or paper, the network and constants of Liang et al.
        epochs: Number of passes over the training users.
        batch_size: Number of users per update.
        learning_rate: Learning rate of the optimizer, the largest if it changes.
        decay: Decay of the learning rate over the updates of all epochs: none; linear, to 0;
            cosine, to 0 along half a cosine; or step, to a tenth after half of them and to a
            hundredth after three quarters.
        warmup: Share of the updates over which the learning rate first rises from 0.
        optimizer: Optimizer: a function of optax, or yours, or lazy_adam, which leaves out the rows
            of the encoder's first kernel that a batch does not touch.
        optimizer_constants: Constants of the optimizer, by name, such as b1 0.8 of adam.
        moments: Type of the first moments of the optimizer: bfloat16 takes half of their memory.
            The second moments stay in float32.
        clip: Largest norm of the whole gradient of an update, which is scaled down to it.
        ema: Decay, such as 0.99, of a moving average of the parameters over the updates, which is
            validated, kept and tested instead of the parameters themselves.
        swa: Share of the updates after which the mean of the parameters over all further ones is
            validated, kept and tested. It cannot be combined with --ema.
        measure: Further terms of the log, from the gradient of each update: norms, those of the
            gradient and of the step, or yours, a function of (params, gradient, updates).
        validate_every: Number of epochs from one validation to the next.
        patience: Number of validations without a new best after which training stops.
        select_by: Validation metric whose largest value selects the epoch, and the setting of a
            sweep, such as recall@20, mrr@10 or my_file.py:name@20.
        metrics: Further test metrics, at all --cutoffs or at one: coverage, novelty@10, or one of
            yours, my_file.py:name.
        cutoffs: Ranks at which the test metrics are cut off, in the table and in test.json.
        seed: Seed of the training.
        beta: Schedule of beta, the weight of the KL term: linear_annealing, constant, yours, or
            auto, which trains twice: first with a rise of beta to 1, and then with a rise that
            stops where the validation users were ranked best.
        beta_constants: Constants of the schedule of beta, by name.
        beta_cap: Largest value of beta.
        rise: Length of the rise of beta.
        on_nan: What to do at an update whose loss or parameters are not finite: stop with the last
            good epoch, or skip it and count it in the log.
    """

    recipe: Literal["adaptive", "paper"] = "adaptive"
    epochs: Annotated[Count | None, shown(unset="the recipe's")] = None
    batch_size: Annotated[
        Size | None,
        shown(
            unset=f"at most {recipe.LARGEST_BATCH}, in at least {recipe.FEWEST_UPDATES} even "
            "batches per epoch"
        ),
    ] = None
    learning_rate: Annotated[Positive | None, shown(unset="the recipe's")] = None
    decay: Literal["none", "linear", "cosine", "step"] = "none"
    warmup: Rate = 0.0
    optimizer: Annotated[str, NAME] = "adam"
    optimizer_constants: Annotated[dict[str, float], constants_shown("the optimizer's own")] = (
        field(default_factory=dict)
    )
    moments: Literal["float32", "bfloat16"] = "float32"
    clip: Annotated[Positive | None, shown(unset="any norm")] = None
    ema: Annotated[Rate | None, shown(unset="no average")] = None
    swa: Annotated[Rate | None, shown(unset="no average")] = None
    measure: Annotated[str | None, shown("NAME", "none")] = None
    validate_every: Count = 1
    patience: Annotated[Count | None, shown(unset="the recipe's, or none with --epochs")] = None
    select_by: Annotated[str | None, shown("METRIC", "NDCG at the largest of --cutoffs")] = None
    metrics: Annotated[tuple[str, ...] | None, shown("[METRIC ...]", "none")] = None
    cutoffs: Annotated[
        tuple[Cutoff, ...] | None, shown("[INT ...]", "20 50 100; the table shows the paper's")
    ] = None
    seed: Seed = 0
    beta: Annotated[str, NAME] = "linear_annealing"
    beta_constants: Annotated[dict[str, float], constants_shown("the schedule's own")] = field(
        default_factory=dict
    )
    beta_cap: Annotated[NotNegative | None, shown(unset="the recipe's")] = None
    rise: tyro.conf.Suppress[Rise | None] = None
    on_nan: Literal["stop", "skip"] = "stop"

    @property
    def selection(self) -> str:
        """The metric that selects the epoch: unless set, NDCG at the largest cutoff."""
        usual = f"ndcg@{max(self.cutoffs)}" if self.cutoffs else recipe.SELECT_BY
        return self.select_by or usual

    @property
    def selecting_metric(self) -> str:
        """Name of the metric that selects the epoch, in logs and tables: without its file."""
        return self.selection.rpartition(":")[2]


@dataclass(frozen=True)
class OutputOptions:
    """Where the results go.

    Attributes:
        out: Directory for the results.
    """

    out: Annotated[str | None, shown("DIRECTORY", "a new one in runs/")] = None


@dataclass(frozen=True)
class RunOptions:
    """Where a run goes, how it is kept while it is trained, and the time that a choice may take.

    Attributes:
        out: Directory for the results.
        resume: Directory of a run that was killed or stopped, to continue as if it had not been; a
            run of --model auto starts over.
        checkpoint_every: Number of epochs, such as 10, or time, such as 90s, 5m or 2h, from one
            checkpoint to the next.
        keep_checkpoints: Number of checkpoints to keep until the run is finished.
        baselines: Baselines to test beside the model, with constants chosen on the validation
            users, or none.
        minutes: Time in which --model auto tries several models, in minutes; the test of the best
            comes after it.
        mesh: Devices to train on, such as data=2,items=4, which divides the users of a batch into 2
            parts and the catalogue into 4. A CPU is divided into as many devices as it takes.
        distributed: Train in several processes, each started with this command, on one host or on
            several. On SLURM, Open MPI, GKE and TPU pods nothing else needs to be given. All of
            them write to one file system.
        coordinator: Address of the first process, by which the others find it.
        processes: Number of processes.
        process: Number of this process, from 0.
        join_within: Time to wait for all processes to join, in seconds.
        profile: Folder for a trace of a few updates of the second epoch, which Perfetto and
            TensorBoard show.
        start: Directory of a run to start from, trained before on the same or on other data. Its
            options are the defaults, apart from --epochs and --patience; new items have fresh
            parameters, and beta stays as it was.
    """

    out: Annotated[str | None, shown("DIRECTORY", "a new one in runs/")] = None
    resume: Annotated[str | None, shown("RUN", "a new run")] = None
    checkpoint_every: Annotated[
        str | None, shown("EVERY", "as often as a hundredth of the time allows")
    ] = None
    keep_checkpoints: Count = 2
    baselines: Annotated[
        tuple[str, ...] | None, shown("NAMES", "popularity, and ease if it takes seconds")
    ] = None
    minutes: Annotated[Positive | None, shown(unset=f"{recipe.MINUTES:g}")] = None
    mesh: Annotated[str | None, shown("data=N,items=N", "one device, or all if distributed")] = None
    distributed: bool = False
    coordinator: Annotated[str | None, shown("HOST:PORT", "$JAX_COORDINATOR_ADDRESS")] = None
    processes: Annotated[Count | None, shown(unset="$JAX_NUM_PROCESSES")] = None
    process: Annotated[LeastCount | None, shown(unset="$JAX_PROCESS_ID")] = None
    join_within: Annotated[Positive | None, shown(unset="300")] = None
    profile: Annotated[
        tuple[str, ...] | None, shown("[FOLDER]", "no trace; RUN/profile without a folder")
    ] = None
    start: Annotated[str | None, shown("RUN", "fresh parameters", name="from")] = None


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the numbers of a run; the content of `config.json`."""

    data: DataOptions = DataOptions()
    model: ModelOptions = ModelOptions()
    training: TrainingOptions = TrainingOptions()


@dataclass(frozen=True)
class SearchOptions:
    """The settings that a sweep trains.

    Attributes:
        vary: An option and the values to try, such as beta-cap 0.1 0.2; repeat it to vary several
            options. With --random or --optuna also a range, such as learning-rate 1e-4:1e-2:log.
            Constants are called PART-constants.NAME, such as optimizer-constants.b1, and widths are
            written 600,200.
        seeds: Number of seeds that each setting is trained with, from --seed upwards.
        search: Way in which settings are chosen.
    """

    vary: Annotated[
        tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]], shown("NAME VALUE ...", "none")
    ] = ()
    seeds: Count = 1
    search: tyro.conf.Suppress[Search] = field(default_factory=Grid)


@dataclass(frozen=True)
class ResourceOptions:
    """The use of the machine; it changes no result.

    Attributes:
        layout: How the members of a sweep (a setting with a seed each) are placed on the machine;
            auto chooses by the backend.
        devices: Number of devices that a CPU is divided into.
        memory: Memory that the program may use, in GB.
        max_parallel: Largest number of members that train together.
    """

    layout: Literal["auto", "vmapped", "sequential", "sharded"] = "auto"
    devices: Annotated[Count | None, shown(unset="one per core")] = None
    memory: Annotated[
        Annotated[float, Meta(gt=0)] | None, shown(unset="half of what is available")
    ] = None
    max_parallel: Annotated[Count | None, shown(unset="as many as fit the memory")] = None


@dataclass(frozen=True)
class SweepConfig:
    """Options of `multvae sweep`: those of `train`, the search, and the use of the machine."""

    data: DataOptions = DataOptions()
    model: ModelOptions = ModelOptions()
    training: TrainingOptions = TrainingOptions()
    search: SearchOptions = SearchOptions()
    resources: ResourceOptions = ResourceOptions()
