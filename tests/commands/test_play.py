"""`reidaug play`: what it refuses, and its page in a browser."""

import base64
import io
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import PHONE, is_too_wide, opened, serious_faults
from commandline import reidaug
from PIL import Image

from reidaug.app.play.pages import MOST_BODY
from reidaug.app.play.playground import Playground
from reidaug.app.play.rendered_people import KEYPOINTS, MASKS, rendered_people
from reidaug.app.play.reproduction import SCRIPT, WARP
from reidaug.app.server import LOOPBACK, listen
from reidaug.commands import play
from reidaug.errors import UsageError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

PERSON = rendered_people()[2]
CROP = KEYPOINTS.parent / PERSON.name
DROP = """() => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File(["no image"], "dropped.jpg"));
  dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
}"""


def test_a_crop_is_read_with_its_joints_and_mask() -> None:
    crop = play._read(Playground(["identity"]), CROP, KEYPOINTS, MASKS)
    assert crop.pose_from == "given"
    assert crop.pose.visible.tolist() == PERSON.pose.visible.tolist()
    assert crop.mask is not None
    assert crop.mask.equal(PERSON.mask)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--masks", MASKS], "--keypoints and --masks are of CROP; name it"),
        ([CROP, "--masks", KEYPOINTS.parent], f"no mask {CROP.stem}.png in it"),
        (["missing.jpg"], "missing.jpg"),
        ([KEYPOINTS], "not a readable image"),
        (["--flow", "no/such"], "flow"),
        (["--flow", "identity", "--flow", "identity"], "name each flow estimator once"),
        (["--model", "no.tflite"], "no.tflite"),
        ([CROP, "--keypoints", "{here}/others.csv"], f"no joints of {CROP.name} in it"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[object], line: str
) -> None:
    text = KEYPOINTS.read_text().replace(CROP.name, "somebody.jpg")
    (tmp_path / "others.csv").write_text(text)
    arguments = [str(argument).format(here=tmp_path) for argument in arguments]
    arguments += [] if "--flow" in arguments else ["--flow", "identity"]
    assert reidaug("play", *arguments, "--port", 0) != 0
    said = capsys.readouterr().err.splitlines()
    assert line in said[-1]
    assert said[-1].startswith("reidaug: ")


def test_a_port_that_is_taken_is_told_before_networks_are_loaded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with listen(LOOPBACK, 0) as taken:
        port = taken.getsockname()[1]
        assert reidaug("play", "--flow", "no/such", "--port", port) == 1
    assert f"127.0.0.1, port {port}: Address already in use" in capsys.readouterr().err


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The command in a process of its own, ended by Ctrl-C."""
    arguments = [CROP, "--keypoints", KEYPOINTS, "--masks", MASKS, "--port", 0]
    arguments += ["--flow", "surface", "--flow", "torso-affine"]
    command = [sys.executable, "-m", "reidaug", "play", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def answered(page: "Page") -> None:
    """Wait until the warps of both estimators are there."""
    page.wait_for_selector("#cards .card:nth-child(2)[data-answers]", timeout=60_000)


def dot(page: "Page", joint: str) -> "Locator":
    return page.locator(f'#target .dot[aria-label^="{joint},"]')


def warp(page: "Page", flow: str = "torso-affine") -> bytes:
    source = page.locator(f'[data-flow="{flow}"] img.warp').get_attribute("src")
    return base64.b64decode((source or ",").split(",")[1])


def changed(page: "Page", before: bytes) -> bytes:
    """Wait for another warp."""
    for _ in range(200):
        if (now := warp(page)) != before:
            return now
        page.wait_for_timeout(50)
    raise AssertionError("the warp does not change")


def test_a_joint_is_dragged_and_moved_by_keys(browser: "Browser", address: str) -> None:
    with opened(browser, address + "/") as page:
        answered(page)
        assert page.locator("#said").inner_text().startswith(CROP.name)
        first = warp(page)
        elbow = dot(page, "left elbow")
        box = elbow.locator(".point").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 30, y - 40, steps=8)
        page.mouse.up()
        dragged = changed(page, first)
        label = elbow.get_attribute("aria-label")
        elbow.focus()
        for _ in range(3):
            page.keyboard.press("Shift+ArrowLeft")
        moved = changed(page, dragged)
        assert elbow.get_attribute("aria-label") != label
        page.keyboard.press("Delete")
        changed(page, moved)
        assert not elbow.is_visible()
        page.get_by_role("button", name="+ left elbow").click()
        assert elbow.is_visible()
        page.keyboard.press("Tab")
        assert "left wrist" in str(page.evaluate("document.activeElement.ariaLabel"))


def test_a_finger_drags_a_joint_and_does_not_scroll(browser: "Browser", address: str) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(address + "/")
    answered(page)
    elbow = dot(page, "left elbow")
    label, box = elbow.get_attribute("aria-label"), elbow.locator(".reach").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fingers = context.new_cdp_session(page)

    def touch(kind: str, *at: float) -> None:
        points = [{"x": at[0], "y": at[1]}] if at else []
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", x, y)
    for step in range(1, 6):
        touch("touchMove", x, y - 10 * step)
    touch("touchEnd")
    assert page.evaluate("scrollY") == 0
    across, down = (int(part.split()[0]) for part in str(label).split(", ")[1:])
    moved = str(elbow.get_attribute("aria-label")).split(", ")
    assert abs(int(moved[1].split()[0]) - across) <= 2
    assert down - int(moved[2].split()[0]) > 20
    for _ in range(2):
        touch("touchStart", x, y - 50)
        touch("touchEnd")
    page.get_by_role("button", name="+ left elbow").wait_for()
    context.close()


def test_poses_grounds_and_crops_are_chosen_and_warps_are_saved(
    browser: "Browser", address: str, tmp_path: Path
) -> None:
    with opened(browser, address + "/") as page:
        answered(page)
        now = warp(page)
        page.get_by_role("button", name="Pose 9 of 50").click()
        now = changed(page, now)
        page.get_by_role("button", name="Mirror").click()
        now = changed(page, now)
        page.get_by_label("another's").check()
        now = changed(page, now)
        page.locator("#pose-of").set_input_files(str(KEYPOINTS.parent / rendered_people()[1].name))
        now = changed(page, now)
        assert page.locator("#examples button").count() == 1 + len(rendered_people()) + 1
        page.locator("#examples button").nth(1).click()
        now = changed(page, now)
        card = page.locator('[data-flow="torso-affine"]')
        with page.expect_download() as download:
            card.get_by_role("button", name="Save PNG").click()
        assert Path(download.value.path()).read_bytes() == now
        with page.expect_download() as download:
            card.get_by_role("button", name="Save all").click()
        with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as file:
            assert file.read(WARP) == now
            assert file.read(SCRIPT).decode() == card.locator("code").text_content()
        page.get_by_label("surface").uncheck()
        assert page.locator("#cards .card").count() == 1


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_is_for_everybody(browser: "Browser", address: str, dark: bool) -> None:
    with opened(browser, address + "/", size=PHONE if dark else None, dark=dark) as page:
        answered(page)
        assert serious_faults(page) == []
        assert not is_too_wide(page)


def test_a_refusal_is_a_line_on_the_page(browser: "Browser", address: str, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    Image.new("RGB", (64, 128)).save(tmp_path / "good.png")
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(MOST_BODY + 1)
    page = browser.new_page()
    page.goto(address + "/")
    answered(page)
    page.locator("#load").set_input_files(str(tmp_path / "text.jpg"))
    page.get_by_text("text.jpg: not a readable image").wait_for()
    page.locator("#load").set_input_files(str(tmp_path / "huge.jpg"))
    page.get_by_text("huge.jpg has more than 16 MiB").wait_for()
    page.locator("#load").set_input_files(str(tmp_path / "good.png"))
    page.get_by_text("good.png, 64 × 128 px").wait_for()
    assert page.locator("#line").inner_text() == ""
    page.evaluate(DROP)
    page.get_by_text("dropped.jpg: not a readable image").wait_for()
    for hidden in ("right hip", "left hip"):
        dot(page, hidden).focus()
        page.keyboard.press("Delete")
    page.get_by_text("the target: show both shoulders and both hips").first.wait_for()
    page.close()


def test_without_the_extra_joints_are_those_of_a_person_standing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: str) -> None:
        raise UsageError("ai_edge_litert is not installed")

    monkeypatch.setattr(play, "require_extra", missing)
    assert play._pose_estimator(None) is None
    assert "drag them: ai_edge_litert is not installed" in capsys.readouterr().err
    with pytest.raises(UsageError):
        play._pose_estimator(Path("model.tflite"))
