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
    """A pattern and its colours, in linear-looking sRGB values of [0, 1].

    Attributes:
        pattern: One of PATTERNS.
        base: Background colour.
        second: Colour of the pattern.
        third: Colour of its details.
        scale: Length of one repeat in metres.
        seed: Random seed of irregular patterns.
    """

    pattern: str
    base: RGB
    second: RGB
    third: RGB
    scale: float
    seed: int


class Top(NamedTuple):
    """A garment of the trunk.

    Attributes:
        front, back, sleeves: Fabrics.
        sleeve: Length of the sleeves: 0 none, 1 to the elbow, 2 to the wrist.
        hem: Height of the hem on the mean body in metres.
        neck: Depth of the neckline in metres.
        thickness: Distance from the body in metres.
        front_print, back_print: Of PRINTS.
        print_colour: Colour of the prints.
        open: Half the width in metres of the opening of a jacket.
        skirt: Length below the waist in metres of a dress's or a coat's free part, 0 for none.
        flare: Widening of that part.
    """

    front: Fabric
    back: Fabric
    sleeves: Fabric
    sleeve: float
    hem: float
    neck: float
    thickness: float
    front_print: str
    back_print: str
    print_colour: RGB
    open: float
    skirt: float
    flare: float


class Bottom(NamedTuple):
    """A garment of the legs.

    Attributes:
        cloth: Its fabric.
        length: How far down the leg: 0.5 mid-thigh, 1 the knee, 1.95 the ankle.
        thickness: Distance of trousers from the leg in metres.
        skirt: Length below the waist in metres of a skirt, 0 for trousers.
        flare: Widening of the skirt.
        stripe: Whether trousers have a side stripe in the second colour of the fabric.
    """

    cloth: Fabric
    length: float
    thickness: float
    skirt: float
    flare: float
    stripe: bool


class Hair(NamedTuple):
    """Hair or headwear.

    Attributes:
        style: One of HAIR_STYLES.
        colour: Its colour.
        under: Colour of the hair under a cap.
    """

    style: str
    colour: RGB
    under: RGB


class Bag(NamedTuple):
    """A bag.

    Attributes:
        kind: One of BAGS.
        colour: Its colour.
        detail: Colour of straps and pocket.
        left: Whether it hangs on the left.
        size: Relative size, about 1.
    """

    kind: str
    colour: RGB
    detail: RGB
    left: bool
    size: float


class Appearance(NamedTuple):
    """A person: body shape, clothes and accessories.

    Attributes:
        phenotype: The body.
        skin: Skin colour.
        beard: Strength of a beard, 0 to 1.
        hair: Hair or headwear.
        top: Garment of the trunk.
        inner: Fabric under an open jacket.
        bottom: Garment of the legs.
        shoes: Colour of the shoes.
        soles: Colour of the soles.
        boots: Height of the shoes in metres above the sole.
        socks: Colour of the socks.
        bag: The bag.
        seed: Random seed of wrinkles.
    """

    phenotype: Phenotype
    skin: RGB
    beard: float
    hair: Hair
    top: Top
    inner: Fabric
    bottom: Bottom
    shoes: RGB
    soles: RGB
    boots: float
    socks: RGB
    bag: Bag
    seed: int


class Palette(NamedTuple):
    """Distribution of the clothes of a world.

    Attributes:
        tops: Colours of tops; empty: any vivid colour.
        bottoms: Colours of trousers and skirts; empty: any.
        patterns: Which of PATTERNS occur.
        plain: Share of plain tops.
        prints: Share of tops with a print on the front; the back has one half as often.
        bags: Share of people with a bag.
        two_sided: Share of tops with another fabric on the back.
        sleeves: Share of tops with sleeves of another fabric.
        patterned: Share of trousers and skirts that are not plain.
        worn: Which of TOPS occur, equally often; men wear a T-shirt for a dress.
        carried: Which of BAGS occur, equally often, among people with a bag.
    """

    tops: tuple[RGB, ...] = ()
    bottoms: tuple[RGB, ...] = ()
    patterns: tuple[str, ...] = PATTERNS
    plain: float = 0.25
    prints: float = 0.35
    bags: float = 0.4
    two_sided: float = 0.25
    sleeves: float = 0.25
    patterned: float = 0.25
    worn: tuple[str, ...] = TOPS
    carried: tuple[str, ...] = BAGS[1:]
