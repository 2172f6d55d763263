"""Contact sheets: images in rows and columns on one white image."""

import io

from PIL import Image

from reidaug.geometry.flow import Size

GAP = 4  # pixels between cells


class ContactSheet:
    """A sheet of ``rows`` x ``columns`` equal cells; ``cell`` is (height, width) in pixels."""

    def __init__(self, rows: int, columns: int, cell: Size) -> None:
        self._step = (cell[0] + GAP, cell[1] + GAP)
        size = (columns * self._step[1] + GAP, rows * self._step[0] + GAP)
        self.picture = Image.new("RGB", size, "white")

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Return the (x, y) of a cell's top left corner."""
        return GAP + column * self._step[1], GAP + row * self._step[0]

    def place(self, picture: Image.Image, row: int, column: int) -> None:
        """Paste an image into the top left corner of a cell."""
        self.picture.paste(picture, self.corner(row, column))

    def png(self) -> bytes:
        """Encode the sheet as a PNG file."""
        stream = io.BytesIO()
        self.picture.save(stream, "PNG", optimize=True)
        return stream.getvalue()
