import io

from PIL import Image

from reidaug.data.contact_sheet import GAP, ContactSheet


def test_cells_lie_side_by_side_on_white() -> None:
    sheet = ContactSheet(2, 3, (10, 6))
    sheet.place(Image.new("RGB", (6, 10), "red"), 1, 2)
    with Image.open(io.BytesIO(sheet.png())) as picture:
        assert picture.size == (3 * (6 + GAP) + GAP, 2 * (10 + GAP) + GAP)
        left, top = sheet.corner(1, 2)
        assert (left, top) == (GAP + 2 * (6 + GAP), GAP + 10 + GAP)
        assert picture.crop((left, top, left + 6, top + 10)).getcolors() == [(60, (255, 0, 0))]
        assert picture.getpixel((left - 1, top)) == picture.getpixel((0, 0)) == (255, 255, 255)
