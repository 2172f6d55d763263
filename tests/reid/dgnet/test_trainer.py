"""Steps of DG-Net and DG-Net++: losses, trained networks, resuming."""

import io

import pytest
import torch
from small_dgnet import (
    PEOPLE,
    TINY,
    crops,
    domain_batch,
    one_domain,
    parameters,
    same,
    state,
    teacher,
    two_domains,
    with_gradient,
)

from reidaug.reid.batches import Batch
from reidaug.reid.dgnet import trainer as trainer_module
from reidaug.reid.dgnet.networks import adapt_dgnet
from reidaug.reid.dgnet.objective import DGNetObjective
from reidaug.reid.dgnet.phases import DGNetLossWeights, DGNetOptions, WeightSchedule
from reidaug.reid.dgnet.swapping import generate_cross_identity
from reidaug.reid.dgnet.trainer import DGNetTrainer

FULL = DGNetLossWeights(schedule=WeightSchedule(start=-10_000))
ALWAYS = {"loss", "self_reconstruction", "adversarial", "discriminator", "gradient_penalty"}
CODES = {"structure_code", "cycle", "appearance_code"}
IDENTITY = {"identity", "fine_identity", "generated_identity"}
FEATURES = {"teacher", "fine_grained"}
POSITIVE = {"positive_reconstruction", "positive_identity"}
A, B = 0, 1


def trainer(phase="source", network=None, *, seed=0, bfloat16=False, rates=None, **options):
    network = network or (one_domain() if phase == "source" else two_domains())
    if rates is not None:
        options["rates"] = {phase: rates}
    return DGNetTrainer(
        network,
        phase,
        DGNetOptions(**options),
        teacher=None if phase == "adapt" else teacher(),
        bfloat16=bfloat16,
        seed=seed,
    )


def pair(domains=(A, A), seed=0, count=2):
    return domain_batch(seed, domains[0], count), domain_batch(seed + 1, domains[1], count)


@pytest.mark.parametrize(
    ("phase", "domains", "weights", "expected"),
    [
        ("source", (A, A), DGNetLossWeights(), POSITIVE | IDENTITY - {"fine_identity"}),
        ("source", (A, A), FULL, POSITIVE | IDENTITY | CODES | FEATURES),
        ("warmup", (A, A), None, POSITIVE | IDENTITY | CODES | FEATURES | {"domain_discriminator"}),
        (
            "warmup",
            (A, B),
            None,
            POSITIVE | IDENTITY | CODES | FEATURES | {"domain", "domain_discriminator"},
        ),
        ("warmup", (B, B), None, CODES | {"domain", "domain_discriminator"}),
        ("adapt", (B, A), None, POSITIVE | IDENTITY | CODES),
        ("adapt", (B, B), None, IDENTITY | CODES),
    ],
)
def test_active_losses_are_those_of_the_table(phase, domains, weights, expected):
    record = trainer(phase, weights=weights or DGNetLossWeights()).step(*pair(domains))
    assert set(record) == ALWAYS | expected


def test_the_loss_is_the_weighted_sum():
    record = trainer(weights=FULL).step(*pair(), Batch(crops(7), torch.tensor([0, 1])))
    expected = sum(
        getattr(FULL, name) * value for name, value in record.items() if name in FULL.__dict__
    )
    expected += 0.5 * record["extra_identity"] + 0.5 * 0.4 * record["extra_fine_identity"]
    assert record["loss"] == pytest.approx(expected, rel=1e-5)


def test_losses_of_weight_0_are_not_computed():
    none = ("teacher", "fine_grained", "cycle", "structure_code", "adversarial", "domain")
    whole = trainer("warmup", weights=DGNetLossWeights(**dict.fromkeys(none, 0.0)))
    assert set(whole.step(*pair((A, B)))) == {"loss", "self_reconstruction"} | IDENTITY | POSITIVE


# Which networks a step trains.


def test_the_discriminators_step_trains_the_discriminators_alone():
    whole = trainer("warmup")
    network = whole.network.train()
    cross = generate_cross_identity(network, *pair((A, B)), adversarial=(1,))
    before = parameters(network)
    whole._train_discriminators(cross, whole.options.weights)
    moved = {name for name, p in network.named_parameters() if not p.equal(before[name])}
    assert {name.split(".")[0] for name in moved} == {"image_discriminator", "domain_discriminator"}
    assert {name.split(".")[0] for name in with_gradient(network)} <= {
        "image_discriminator",
        "domain_discriminator",
    }


def test_the_generators_step_leaves_the_discriminators_alone():
    whole = trainer("warmup")
    network = whole.network
    discriminators = (network.image_discriminator, network.domain_discriminator)
    steps = []
    original = whole._optimise

    def watched(loss, *names):
        before = [parameters(one) for one in discriminators]
        original(loss, *names)
        steps.append(
            (names, [same(b, parameters(d)) for b, d in zip(before, discriminators, strict=True)])
        )

    whole._optimise = watched
    whole.step(*pair((A, B)))
    assert steps == [
        (("discriminator",), [False, True]),
        (("domain",), [True, False]),
        (("generator", "encoder"), [True, True]),
    ]


def test_the_generator_of_an_absent_domain_stays_as_it_is():
    whole = trainer("adapt")
    before = [state(whole.network.generator(domain)) for domain in (A, B)]
    whole.step(*pair((B, B)))
    after = [state(whole.network.generator(domain)) for domain in (A, B)]
    assert [same(one, other) for one, other in zip(before, after, strict=True)] == [True, False]


# Known faults of the original that are not here.


def test_the_encoders_running_statistics_are_those_of_real_crops():
    """Generated images and extra crops do not update them."""

    def statistics(extra, weights):
        whole = trainer("adapt", weights=weights, erase=0.0)
        whole.step(*pair((A, B)), extra)
        return {k: v for k, v in state(whole.network.encoder).items() if "running" in k}

    extra = Batch(100 + crops(7), torch.tensor([0, 1]))
    without_generated = DGNetLossWeights(generated_identity=0.0, cycle=0.0, structure_code=0.0)
    assert same(statistics(extra, DGNetLossWeights()), statistics(None, without_generated))


def test_dropout_is_as_it_was_after_a_step():
    whole = trainer()
    whole.step(*pair())
    assert all(head.dropout.training for head in whole.network.encoder.heads)


def test_the_warmup_does_not_use_labels_of_the_target():
    def moved(labels):
        whole = trainer("warmup")
        first, second = pair((A, B))
        whole.step(first, second._replace(labels=torch.tensor(labels)))
        return state(whole.network)

    assert same(moved([0, 1]), moved([-1, -7]))


def test_the_targets_positive_identity_is_off_and_not_squared():
    """The original multiplies the loss by itself; here a target's positives have no effect."""
    first, second = pair((B, B))
    other = crops(77)

    def record(positives):
        return trainer("adapt").step(first, second._replace(positives=positives))

    assert record(second.positives) == record(other)


def test_single_crops_and_different_shapes_are_errors():
    with pytest.raises(ValueError, match="two crops at least"):
        trainer().step(*pair(count=1))
    with pytest.raises(ValueError, match=r"one shape .* \(2, 3, 64, 40\) and \(3, 3, 64, 40\)"):
        trainer().step(domain_batch(0), domain_batch(1, count=3))


def test_missing_networks_of_a_phase_are_errors():
    with pytest.raises(ValueError, match="needs a teacher, or the weight teacher=0"):
        DGNetTrainer(one_domain(), "source", DGNetOptions())
    with pytest.raises(ValueError, match="needs two generators: use adapt_dgnet"):
        DGNetTrainer(one_domain(), "adapt", DGNetOptions())
    network = two_domains()
    network.domain_discriminator = None
    with pytest.raises(ValueError, match="or the weight domain=0"):
        DGNetTrainer(network, "warmup", DGNetOptions(), teacher=teacher())
    weights = DGNetLossWeights(teacher=0.0, domain=0.0)
    DGNetTrainer(network, "warmup", DGNetOptions(weights=weights))


# Extra crops, erasing, learning rates, precision.


def test_extra_crops_are_used_in_identity_losses_alone():
    extra = Batch(crops(7), torch.tensor([0, 1]))
    with_extra = trainer(weights=FULL, erase=0.0)
    without = trainer(weights=FULL, erase=0.0)
    one, other = with_extra.step(*pair(), extra), without.step(*pair())
    added = {"extra_identity", "extra_fine_identity"}
    assert set(one) - set(other) == added
    assert {k: v for k, v in one.items() if k not in added | {"loss"}} == {
        k: v for k, v in other.items() if k != "loss"
    }
    for part, moved in (("generators", False), ("image_discriminator", False), ("encoder", True)):
        networks = [getattr(whole.network, part) for whole in (with_extra, without)]
        assert same(*(parameters(network) for network in networks)) != moved


def test_positives_are_in_the_triplet_loss_alone_and_the_default_has_none():
    extra = Batch(crops(7), pair((B, B))[0].labels)
    weights = DGNetLossWeights(extra=0.0, positive_triplet=2.0)
    record = trainer("adapt", weights=weights).step(*pair((B, B)), extra)
    plain = trainer("adapt", weights=DGNetLossWeights(extra=0.0)).step(*pair((B, B)), extra)
    assert set(record) - set(plain) == {"positive_triplet"}
    assert record["loss"] == pytest.approx(plain["loss"] + 2 * record["positive_triplet"], rel=1e-4)
    margins = [
        trainer("adapt", weights=weights, margin=m).step(*pair((B, B)), extra)["positive_triplet"]
        for m in (0.0, 100.0)
    ]
    assert margins[1] > margins[0] + 50


def test_labels_of_extra_crops_are_smoothed():
    extra = Batch(crops(7), torch.tensor([0, 1]))
    plain, smooth = (
        trainer(rates={"encoder": 0.0}, extra_smoothing=s).step(*pair(), extra)["extra_identity"]
        for s in (0.0, 1.0)
    )
    assert plain != smooth
    # All weight spread evenly is the uniform label, whatever the crop's label.
    other = Batch(extra.images, torch.tensor([3, 4]))
    assert smooth == pytest.approx(
        trainer(rates={"encoder": 0.0}, extra_smoothing=1.0).step(*pair(), other)["extra_identity"]
    )


def test_only_crops_of_identity_losses_are_erased():
    def losses(erase):
        record = trainer(erase=erase, weights=FULL).step(*pair())
        return {k: v for k, v in record.items() if k not in {"loss", "identity", "fine_identity"}}

    one, other = losses(0.0), losses(1.0)
    different = {name for name in one if one[name] != other[name]}
    assert different == {"positive_identity"}


def test_learning_rates_drop():
    whole = trainer("adapt")
    first = {name: [g["lr"] for g in o.param_groups] for name, o in whole.optimisers.items()}
    assert first.keys() == {"generator", "encoder", "discriminator"}
    assert first["generator"] == first["discriminator"] == [1e-6]
    assert first["encoder"] == pytest.approx([6e-4, 6e-3])
    whole = trainer(rates={"drops": (1, 2)})
    rates = []
    for _ in range(3):
        whole.step(*pair())
        rates.append(whole.optimisers["encoder"].param_groups[1]["lr"])
    assert rates == pytest.approx([2e-2, 2e-3, 2e-4])


def test_every_network_is_trained_at_its_own_rate():
    rates = {
        "encoder": 1e-1,
        "heads": 3.0,
        "generator": 1e-2,
        "discriminator": 1e-3,
        "domain": 1e-4,
    }
    whole = trainer("warmup", rates={**rates, "decay": 1e-5})
    groups = {name: one.param_groups for name, one in whole.optimisers.items()}
    network = whole.network
    for name, module, expected in (
        ("generator", network.generators, [1e-2]),
        ("encoder", network.encoder, [1e-1, pytest.approx(3e-1)]),
        ("discriminator", network.image_discriminator, [1e-3]),
        ("domain", network.domain_discriminator, [1e-4]),
    ):
        assert [group["lr"] for group in groups[name]] == expected
        assert {group["weight_decay"] for group in groups[name]} == {1e-5}
        trained = {id(p) for group in groups[name] for p in group["params"]}
        assert trained == {id(p) for p in module.parameters()}
        if name != "encoder":
            assert groups[name][0]["betas"] == (0.0, 0.999)


def test_bfloat16_gives_about_the_same_losses():
    domains = (A, B)
    exact = trainer("warmup", erase=0.0).step(*pair(domains))
    whole = trainer("warmup", erase=0.0, bfloat16=True)
    found = whole.step(*pair(domains))
    assert found.keys() == exact.keys()
    for name in found.keys() - {"gradient_penalty", "teacher"}:
        assert found[name] == pytest.approx(exact[name], rel=0.1, abs=0.02)
    assert all(p.grad is not None for p in whole.network.generators.parameters())
    assert all(p.dtype == torch.float32 for p in whole.network.parameters())


# Learning and resuming.


@pytest.mark.parametrize(("phase", "domains"), [("source", (A, A)), ("warmup", (A, B))])
def test_every_network_is_trained_in_its_phase(phase, domains):
    whole = trainer(phase, weights=FULL)
    before = parameters(whole.network)
    for step in range(2):  # the second head's dropout may hide an input for one step
        whole.step(*pair(domains, seed=step))
    still = {name for name, p in whole.network.named_parameters() if p.equal(before[name])}
    assert not still


@pytest.mark.slow
def test_self_reconstruction_improves():
    # The encoder stays as it is, so that the codes do.
    rates = {"encoder": 0.0, "generator": 3e-3}
    whole = trainer(rates=rates)
    first, second = pair(count=2)
    losses = [whole.step(first, second)["self_reconstruction"] for _ in range(30)]
    assert losses[-1] < 0.75 * losses[0]


def test_a_resumed_run_gives_the_same_bytes():
    def batches(step):
        return (
            *pair((A, B) if step % 2 else (B, B), seed=step),
            Batch(crops(step), torch.tensor([0, 1])),
        )

    def fresh():
        return trainer("warmup", seed=3, rates={"drops": (3,)})

    straight = fresh()
    records = [straight.step(*batches(step)) for step in range(4)]
    first = fresh()
    again = [first.step(*batches(step)) for step in range(2)]
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = fresh()
    second.load_state_dict(torch.load(file, weights_only=True))
    torch.rand(7)  # whatever else draws at random does not matter
    again += [second.step(*batches(step)) for step in range(2, 4)]
    assert records == again
    assert same(state(straight.network), state(second.network))


def test_seeds_differ_and_repeat():
    def run(seed):
        return trainer(seed=seed, weights=FULL).step(*pair())["loss"]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_round_begins_from_the_one_before():
    trained = one_domain()
    source = trainer(network=trained)
    source.step(*pair())
    whole = trainer("warmup", network=adapt_dgnet(trained, TINY))
    assert whole.network.encoder.heads[0].classifier.out_features == PEOPLE
    assert whole.steps == 0
    assert same(state(whole.network.generator(B)), state(trained.generator(0)))


# Who sees what in a step, from recorded calls: a is of the source and b of the target.


def watch(monkeypatch, module, name):
    """Note the arguments, keywords and results of a function."""
    function, calls = getattr(module, name), []

    def noted(*arguments, **keywords):
        calls.append((arguments, keywords, function(*arguments, **keywords)))
        return calls[-1][2]

    monkeypatch.setattr(module, name, noted)
    return calls


def test_discriminators_learn_real_from_generated_and_source_from_target(monkeypatch):
    whole = trainer("warmup", weights=DGNetLossWeights(penalty=1e6))
    a, b = pair((A, B))
    crossed = watch(monkeypatch, trainer_module, "generate_cross_identity")
    judged = watch(monkeypatch, trainer_module, "image_discriminator_loss")
    shown = watch(monkeypatch, whole.network.image_discriminator, "forward")
    placed = watch(monkeypatch, trainer_module, "domain_discriminator_loss")
    pooled = watch(monkeypatch, whole.network.domain_discriminator, "forward")
    slopes = watch(monkeypatch, trainer_module, "real_gradient_penalty")
    optimised = watch(monkeypatch, whole, "_optimise")
    record = whole.step(a, b)
    ((network, *batches), _, cross) = crossed[0]
    assert (network is whole.network, batches) == (True, [a, b])
    for i, batch in enumerate((a, b)):
        (real, fake), _, _ = judged[i]
        for scores, image, call in (
            (real, batch.images, shown[2 * i]),
            (fake, cross.generated[i], shown[2 * i + 1]),
        ):
            assert scores is call[2]
            assert torch.equal(call[0][0], image)
        assert slopes[i][0][0] is real
        (scores, domain), _, _ = placed[i]
        assert scores is pooled[i][2]
        assert torch.equal(pooled[i][0][0], cross.codes[i].pooled)
        assert domain == batch.domain
    penalty = 1e6 * record["gradient_penalty"]  # slopes of untrained networks are small
    assert penalty > 0.01 * record["discriminator"]
    total = record["discriminator"] + penalty
    assert float(optimised[0][0][0].detach()) == pytest.approx(total, rel=1e-4)
    assert [call[0][1:] for call in optimised] == [
        ("discriminator",), ("domain",), ("generator", "encoder")
    ]  # fmt: skip


def test_options_reach_the_objective(monkeypatch):
    identities = watch(monkeypatch, DGNetObjective, "identities")
    extra_crops = watch(monkeypatch, DGNetObjective, "extra_crops")
    extra = Batch(crops(7), torch.tensor([0, 1]))
    trainer("adapt", erase=0.3, extra_smoothing=0.2, margin=0.7).step(*pair((A, B)), extra)
    assert identities[0][0][1] == 0.3
    assert extra_crops[0][0][1] is extra
    assert extra_crops[0][0][2:4] == (0.3, 0.2)
    assert extra_crops[0][1] == {"margin": 0.7}
