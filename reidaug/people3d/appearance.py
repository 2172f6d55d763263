"""The appearance of a person: fabrics, garments, hair, shoes and bags."""

from typing import NamedTuple

from reidaug.people3d.body import Phenotype

RGB = tuple[float, float, float]

PATTERNS = (
    "plain", "horizontal", "vertical", "checked", "diagonal", "dots", "gradient", "camouflage",
    "two_tone", "band", "zigzag", "speckled",
)  # fmt: skip
PRINTS = ("none", "disc", "block", "diamond", "lines", "number")
HAIR_STYLES = ("bald", "short", "full", "bob", "long", "ponytail", "bun", "cap", "hood")
BAGS = ("none", "backpack", "shoulder", "hand")
TOPS = ("tshirt", "shirt", "sweater", "jacket", "coat", "dress")


class Fabric(NamedTuple):
    """A pattern and its colours, in linear-looking sRGB values of [0, 1]."""

    pattern: str  # one of PATTERNS
    base: RGB  # background colour
    second: RGB  # colour of the pattern
    third: RGB  # colour of its details
    scale: float  # length of one repeat in metres
    seed: int  # random seed of irregular patterns


class Top(NamedTuple):
    """A garment of the trunk."""

    front: Fabric  # fabric of the front
    back: Fabric  # fabric of the back
    sleeves: Fabric  # fabric of the sleeves
    sleeve: float  # length of the sleeves: 0 none, 1 to the elbow, 2 to the wrist
    hem: float  # height of the hem on the mean body in metres
    neck: float  # depth of the neckline in metres
    thickness: float  # distance from the body in metres
    front_print: str  # one of PRINTS
    back_print: str  # one of PRINTS
    print_colour: RGB  # colour of the prints
    open: float  # half the width in metres of the opening of a jacket
    skirt: float  # length below the waist in metres of a dress's or a coat's free part, 0 for none
    flare: float  # widening of that part


class Bottom(NamedTuple):
    """A garment of the legs."""

    cloth: Fabric  # fabric
    length: float  # how far down the leg: 0.5 mid-thigh, 1 the knee, 1.95 the ankle
    thickness: float  # distance of trousers from the leg in metres
    skirt: float  # length below the waist in metres of a skirt, 0 for trousers
    flare: float  # widening of the skirt
    stripe: bool  # whether trousers have a side stripe in the second colour of the fabric


class Hair(NamedTuple):
    """Hair or headwear."""

    style: str  # one of HAIR_STYLES
    colour: RGB
    under: RGB  # colour of the hair under a cap


class Bag(NamedTuple):
    """A bag."""

    kind: str  # one of BAGS
    colour: RGB
    detail: RGB  # colour of straps and pocket
    left: bool  # whether it hangs on the left
    size: float  # relative size, about 1


class Appearance(NamedTuple):
    """A person: body shape, clothes and accessories."""

    phenotype: Phenotype  # body shape
    skin: RGB  # skin colour
    beard: float  # strength of a beard, 0 to 1
    hair: Hair  # hair or headwear
    top: Top  # garment of the trunk
    inner: Fabric  # fabric under an open jacket
    bottom: Bottom  # garment of the legs
    shoes: RGB  # colour of the shoes
    soles: RGB  # colour of the soles
    boots: float  # height of the shoes in metres above the sole
    socks: RGB  # colour of the socks
    bag: Bag  # the bag
    seed: int  # random seed of wrinkles


class Palette(NamedTuple):
    """Distribution of the clothes of a world."""

    tops: tuple[RGB, ...] = ()  # colours of tops; empty: any vivid colour
    bottoms: tuple[RGB, ...] = ()  # colours of trousers and skirts; empty: any
    patterns: tuple[str, ...] = PATTERNS  # which of PATTERNS occur
    plain: float = 0.25  # share of plain tops
    prints: float = 0.35  # share of tops with a print on the front; the back has one half as often
    bags: float = 0.4  # share of people with a bag
    two_sided: float = 0.25  # share of tops with another fabric on the back
    sleeves: float = 0.25  # share of tops with sleeves of another fabric
    patterned: float = 0.25  # share of trousers and skirts that are not plain
    worn: tuple[str, ...] = TOPS  # which of TOPS, equally often; men wear a T-shirt for a dress
    carried: tuple[str, ...] = BAGS[1:]  # which of BAGS, equally often, if a person has one
