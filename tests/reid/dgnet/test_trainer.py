"""Steps of DG-Net and DG-Net++: what is asked, whom it teaches, and that it can be resumed."""

import io

import pytest
import torch
from small_dgnet import (
    PEOPLE,
    TINY,
    crops,
    one_domain,
    parameters,
    same,
    side,
    state,
    teacher,
    touched,
    two_domains,
)

from reidaug.reid.batches import Batch
from reidaug.reid.dgnet.loss_weights import Ramp, Weights
from reidaug.reid.dgnet.networks import adapt_dgnet
from reidaug.reid.dgnet.swapping import cross
from reidaug.reid.dgnet.trainer import RATES, DGNetLearner, Rates

FULL = Weights(ramp=Ramp(start=-10_000))
ALWAYS = {"loss", "self_reconstruction", "adversarial", "discriminator", "slope"}
CODES = {"structure_code", "cycle", "appearance_code"}
NAMED = {"identity", "fine_identity", "generated_identity"}
LESSONS = {"teacher", "fine_grained"}
POSITIVE = {"positive_reconstruction", "positive_identity"}
A, B = 0, 1


def learner(phase="source", network=None, **options):
    network = network or (one_domain() if phase == "source" else two_domains())
    taught = None if phase == "adapt" else teacher()
    return DGNetLearner(network, phase=phase, teacher=taught, **options)


def pair(domains=(A, A), seed=0, count=2):
    return side(seed, domains[0], count), side(seed + 1, domains[1], count)


@pytest.mark.parametrize(
    ("phase", "domains", "weights", "expected"),
    [
        ("source", (A, A), Weights(), POSITIVE | NAMED - {"fine_identity"}),
        ("source", (A, A), FULL, POSITIVE | NAMED | CODES | LESSONS),
        ("warmup", (A, A), None, POSITIVE | NAMED | CODES | LESSONS | {"domain_discriminator"}),
        (
            "warmup",
            (A, B),
            None,
            POSITIVE | NAMED | CODES | LESSONS | {"domain", "domain_discriminator"},
        ),
        ("warmup", (B, B), None, CODES | {"domain", "domain_discriminator"}),
        ("adapt", (B, A), None, POSITIVE | NAMED | CODES),
        ("adapt", (B, B), None, NAMED | CODES),
    ],
)
def test_active_losses_are_those_of_the_table(phase, domains, weights, expected):
    record = learner(phase, weights=weights).step(*pair(domains))
    assert set(record) == ALWAYS | expected


def test_the_loss_is_the_weighted_sum():
    record = learner(weights=FULL).step(*pair(), Batch(crops(7), torch.tensor([0, 1])))
    expected = sum(
        getattr(FULL, name) * value for name, value in record.items() if name in FULL.__dict__
    )
    expected += 0.5 * record["warp_identity"] + 0.5 * 0.4 * record["warp_fine_identity"]
    assert record["loss"] == pytest.approx(expected, rel=1e-5)


def test_what_weighs_nothing_is_not_computed():
    none = ("teacher", "fine_grained", "cycle", "structure_code", "adversarial", "domain")
    whole = learner("warmup", weights=Weights(**dict.fromkeys(none, 0.0)))
    assert set(whole.step(*pair((A, B)))) == {"loss", "self_reconstruction"} | NAMED | POSITIVE


# Whom the steps move.


def test_the_judges_step_touches_the_judges_alone():
    whole = learner("warmup")
    network = whole.network.train()
    crossing = cross(network, *pair((A, B)), pushed=(1,))
    before = parameters(network)
    whole._teach_judges(crossing, whole.weights)
    moved = {name for name, p in network.named_parameters() if not p.equal(before[name])}
    assert {name.split(".")[0] for name in moved} == {"image_discriminator", "domain_discriminator"}
    assert {name.split(".")[0] for name in touched(network)} <= {
        "image_discriminator",
        "domain_discriminator",
    }


def test_the_generators_step_leaves_the_judges_alone():
    whole = learner("warmup")
    network = whole.network
    judges = (network.image_discriminator, network.domain_discriminator)
    seen = []
    original = whole._descend

    def watched(loss, *names):
        before = [parameters(judge) for judge in judges]
        original(loss, *names)
        seen.append((names, [same(b, parameters(j)) for b, j in zip(before, judges, strict=True)]))

    whole._descend = watched
    whole.step(*pair((A, B)))
    assert seen == [
        (("image",), [False, True]),
        (("domain",), [True, False]),
        (("generator", "encoder"), [True, True]),
    ]


def test_the_generator_of_an_absent_domain_stays_as_it_is():
    whole = learner("adapt")
    before = [state(whole.network.generator(domain)) for domain in (A, B)]
    whole.step(*pair((B, B)))
    after = [state(whole.network.generator(domain)) for domain in (A, B)]
    assert [same(one, other) for one, other in zip(before, after, strict=True)] == [True, False]


# Known faults of the original that are not here.


def test_the_encoders_statistics_hear_of_real_crops_alone():
    """Drawn crops and extra crops are named without being remembered."""

    def statistics(warps, weights):
        whole = learner("adapt", weights=weights, erase=0.0)
        whole.step(*pair((A, B)), warps)
        return {k: v for k, v in state(whole.network.encoder).items() if "running" in k}

    warps = Batch(100 + crops(7), torch.tensor([0, 1]))
    without_drawn = Weights(generated_identity=0.0, cycle=0.0, structure_code=0.0)
    assert same(statistics(warps, Weights()), statistics(None, without_drawn))


def test_dropout_is_as_it_was_after_a_step():
    whole = learner()
    whole.step(*pair())
    assert all(head.dropout.training for head in whole.network.encoder.heads)


def test_the_targets_labels_are_not_looked_at_before_there_are_any():
    def moved(labels):
        whole = learner("warmup")
        first, second = pair((A, B))
        whole.step(first, second._replace(labels=torch.tensor(labels)))
        return state(whole.network)

    assert same(moved([0, 1]), moved([-1, -7]))


def test_the_targets_positive_identity_is_off_and_not_squared():
    """The original multiplies the loss by itself; here a target's positives count nothing."""
    first, second = pair((B, B))
    other = crops(77)

    def record(positives):
        return learner("adapt").step(first, second._replace(positives=positives))

    assert record(second.positives) == record(other)


def test_single_crops_and_unlike_batches_are_told():
    with pytest.raises(ValueError, match="hold two crops at least"):
        learner().step(*pair(count=1))
    with pytest.raises(ValueError, match=r"must be alike .* \(2, 3, 64, 40\) and \(3, 3, 64, 40\)"):
        learner().step(side(0), side(1, count=3))


def test_networks_a_phase_lacks_are_told():
    with pytest.raises(ValueError, match="needs a teacher, or the weight teacher=0"):
        DGNetLearner(one_domain(), phase="source")
    with pytest.raises(ValueError, match="needs two generators: use adapt_dgnet"):
        DGNetLearner(one_domain(), phase="adapt")
    network = two_domains()
    network.domain_discriminator = None
    with pytest.raises(ValueError, match="or the weight domain=0"):
        DGNetLearner(network, phase="warmup", teacher=teacher())
    DGNetLearner(network, phase="warmup", weights=Weights(teacher=0.0, domain=0.0))


# Extra crops, erasing, rates, precision.


def test_crops_on_top_enter_the_identity_losses_alone():
    warps = Batch(crops(7), torch.tensor([0, 1]))
    with_warps = learner(weights=FULL, erase=0.0)
    without = learner(weights=FULL, erase=0.0)
    one, other = with_warps.step(*pair(), warps), without.step(*pair())
    added = {"warp_identity", "warp_fine_identity"}
    assert set(one) - set(other) == added
    assert {k: v for k, v in one.items() if k not in added | {"loss"}} == {
        k: v for k, v in other.items() if k != "loss"
    }
    for part, moved in (("generators", False), ("image_discriminator", False), ("encoder", True)):
        networks = [getattr(whole.network, part) for whole in (with_warps, without)]
        assert same(*(parameters(network) for network in networks)) != moved


def test_labels_of_crops_on_top_are_smoothed():
    warps = Batch(crops(7), torch.tensor([0, 1]))
    plain, smooth = (
        learner(rates=Rates(encoder=0.0), warp_smoothing=s).step(*pair(), warps)["warp_identity"]
        for s in (0.0, 1.0)
    )
    assert plain != smooth
    # All weight spread evenly is the uniform label, whatever the crop's label.
    other = Batch(warps.images, torch.tensor([3, 4]))
    assert smooth == pytest.approx(
        learner(rates=Rates(encoder=0.0), warp_smoothing=1.0).step(*pair(), other)["warp_identity"]
    )


def test_only_named_crops_are_erased():
    def drawn(erase):
        record = learner(erase=erase, weights=FULL).step(*pair())
        return {k: v for k, v in record.items() if k not in {"loss", "identity", "fine_identity"}}

    one, other = drawn(0.0), drawn(1.0)
    different = {name for name in one if one[name] != other[name]}
    assert different == {"positive_identity"}


def test_rates_are_the_papers_and_drop():
    whole = learner("adapt")
    first = {name: [g["lr"] for g in o.param_groups] for name, o in whole.optimisers.items()}
    assert first.keys() == {"generator", "encoder", "image"}
    assert first["generator"] == first["image"] == [1e-6]
    assert first["encoder"] == pytest.approx([6e-4, 6e-3])
    assert RATES["source"] == Rates(2e-3, 10.0, 1e-4, 1e-4, 1e-5, 5e-4, (60_000, 90_000, 105_000))
    assert RATES["warmup"].encoder * 60 == pytest.approx(RATES["adapt"].encoder)
    whole = learner(rates=Rates(drops=(1, 2)))
    rates = []
    for _ in range(3):
        whole.step(*pair())
        rates.append(whole.optimisers["encoder"].param_groups[1]["lr"])
    assert rates == pytest.approx([2e-2, 2e-3, 2e-4])


def test_sixteen_bits_do_the_same_roughly():
    domains = (A, B)
    exact = learner("warmup", erase=0.0).step(*pair(domains))
    whole = learner("warmup", erase=0.0, half=True)
    found = whole.step(*pair(domains))
    assert found.keys() == exact.keys()
    for name in found.keys() - {"slope", "teacher"}:
        assert found[name] == pytest.approx(exact[name], rel=0.1, abs=0.02)
    assert all(p.grad is not None for p in whole.network.generators.parameters())
    assert all(p.dtype == torch.float32 for p in whole.network.parameters())


# Learning and resuming.


@pytest.mark.parametrize(("phase", "domains"), [("source", (A, A)), ("warmup", (A, B))])
def test_every_network_learns_in_its_phase(phase, domains):
    whole = learner(phase, weights=FULL)
    before = parameters(whole.network)
    for step in range(2):  # the second head's dropout may hide an input for one step
        whole.step(*pair(domains, seed=step))
    still = {name for name, p in whole.network.named_parameters() if p.equal(before[name])}
    assert not still


def test_a_crop_is_drawn_better_and_better_from_its_own_codes():
    # The encoder stays as it is, so that the codes do.
    rates = Rates(encoder=0.0, generator=3e-3)
    whole = learner(rates=rates)
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
        return learner("warmup", seed=3, rates=Rates(drops=(3,)))

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
        return learner(seed=seed, weights=FULL).step(*pair())["loss"]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_round_begins_from_the_one_before():
    trained = one_domain()
    source = learner(network=trained)
    source.step(*pair())
    whole = learner("warmup", network=adapt_dgnet(trained, TINY))
    assert whole.network.encoder.heads[0].classifier.out_features == PEOPLE
    assert whole.taken == 0
    assert same(state(whole.network.generator(B)), state(trained.generator(0)))
