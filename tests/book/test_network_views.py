"""The pages on which a reader drops a photo: by mouse, keyboard, touch and paste, from a server and from disk."""

import base64
import io
import re
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from built import BUILD, HTML
from conftest import Quiet
from PIL import Image
from playwright.sync_api import Browser, Page

from carvana_lessons import studio

LONG = 120_000  # milliseconds: how fast an answer comes is no matter of a test
FOUND = re.compile(r"^\d+ % of the photo is car\. It took [\d.]+ seconds\.$")


@pytest.fixture(scope="module")
def photo() -> bytes:
    file = io.BytesIO()
    Image.fromarray(studio.render(3, 4, (600, 400), studio.DEFAULT.seed)[0]).save(file, "JPEG", quality=92)
    return file.getvalue()


@pytest.fixture
def watched(page: Page, site) -> Iterator[Page]:
    """A window whose requests and complaints are looked at in the end."""
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    yield page
    assert complaints == []
    assert [url for url in asked if not url.startswith((site, "data:", f"blob:{site}"))] == []


def begin(page: Page, address: str) -> None:
    page.goto(address)
    page.locator(".network-view").scroll_into_view_if_needed()
    page.locator(".samples button").nth(2).wait_for(timeout=LONG)


def answered(page: Page, told: re.Pattern | str = FOUND) -> str:
    """What the view says when it is ready."""
    status = page.locator(".network-view .status")
    if isinstance(told, str):
        status.filter(has_text=told).wait_for(timeout=LONG)
    else:
        page.wait_for_function(
            "pattern => new RegExp(pattern).test(document.querySelector('.network-view .status').textContent)",
            arg=told.pattern,
            timeout=LONG,
        )
    return status.inner_text()


def file_of(photo: bytes, name: str = "car.jpg") -> dict:
    return {"name": name, "mimeType": "image/jpeg", "buffer": photo}


def pixels_of(page: Page, selector: str) -> np.ndarray:
    data = page.locator(selector).evaluate("canvas => canvas.toDataURL('image/png')")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGBA"))


def test_a_drawn_car_is_cut_out_by_keyboard_alone(watched: Page, site):
    begin(watched, f"{site}/intro.html")
    watched.locator(".samples button").first.focus()
    watched.keyboard.press("Enter")
    answered(watched)
    alpha = pixels_of(watched, "canvas.after")[..., 3]
    assert 0.1 < (alpha > 127).mean() < 0.6 and alpha[:20].max() == 0  # the wall above the car is gone
    watched.locator(".split").focus()
    watched.keyboard.press("End")
    assert watched.locator("canvas.before").evaluate("e => getComputedStyle(e).clipPath").startswith("inset(0px 0%")


def test_a_photo_is_chosen_and_its_cut_out_taken_away(watched: Page, site, photo):
    begin(watched, f"{site}/cut-out.html")
    watched.locator(".drop input").first.set_input_files(file_of(photo))
    answered(watched)
    with watched.expect_download() as download:
        watched.locator(".download").click()
    picture = Image.open(download.value.path())
    assert picture.mode == "RGBA" and picture.size == (600, 400) and download.value.suggested_filename == "cut-out.png"
    kept = np.asarray(picture)
    assert (kept[..., 3] > 127).any() and not kept[kept[..., 3] == 0].any()


def test_backgrounds_and_the_edge_follow_at_once(watched: Page, site, photo):
    begin(watched, f"{site}/cut-out.html")
    watched.locator(".drop input").first.set_input_files(file_of(photo))
    answered(watched)
    first = pixels_of(watched, "canvas.after")
    view = watched.locator(".network-view")  # a chapter's pictures have labels, too

    def corner() -> list[int]:
        watched.wait_for_timeout(50)
        return pixels_of(watched, "canvas.after")[0, 0].tolist()

    def wait_for(colour: list[int]) -> None:
        for _ in range(600):
            if corner() == colour:
                return
        raise AssertionError(f"The background is {corner()}, not {colour}.")

    assert corner() == [0, 0, 0, 0]
    view.get_by_label("white").check()
    wait_for([255, 255, 255, 255])
    view.get_by_label("Colour", exact=True).fill("#102030")
    wait_for([16, 32, 48, 255])
    file = io.BytesIO()
    Image.new("RGB", (30, 50), (9, 99, 199)).save(file, "PNG")
    watched.locator("fieldset [type=file]").set_input_files(
        {"name": "behind.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    wait_for([9, 99, 199, 255])
    view.get_by_label("none").check()
    wait_for([0, 0, 0, 0])
    watched.locator("[name=threshold]").fill("0.98")
    watched.locator("[name=feather]").fill("0")
    for _ in range(600):
        alpha = pixels_of(watched, "canvas.after")[..., 3]
        if set(np.unique(alpha)) == {0, 255} and alpha.astype(bool).sum() < (first[..., 3] > 127).sum():
            break
        watched.wait_for_timeout(50)
    else:
        raise AssertionError("The edge did not follow its sliders.")


GIVE = """([target, kind, name, content]) => {
    const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0))
    const items = new DataTransfer()
    if (name) items.items.add(new File([bytes], name, {type: "image/jpeg"}))
    else items.setData("text/plain", "no file")
    const event = kind === "paste" ? new ClipboardEvent(kind, {clipboardData: items, bubbles: true})
        : new DragEvent(kind, {dataTransfer: items, bubbles: true, cancelable: true})
    document.querySelector(target).dispatchEvent(event)
}"""


@pytest.mark.parametrize(("target", "kind"), [(".drop", "drop"), ("body", "paste")])
def test_a_photo_is_dropped_or_pasted(watched: Page, site, photo, target, kind):
    begin(watched, f"{site}/intro.html")
    watched.evaluate(GIVE, [target, kind, "car.jpg", base64.b64encode(photo).decode()])
    answered(watched)


def test_what_is_no_photo_is_told_and_the_next_one_works(watched: Page, site, photo):
    begin(watched, f"{site}/intro.html")
    watched.evaluate(GIVE, [".drop", "drop", "", ""])
    answered(watched, "That was not a file.")
    watched.locator(".drop input").first.set_input_files(file_of(b"nothing", "notes.txt"))
    answered(watched, "“notes.txt” is no picture that this browser can open")
    watched.locator(".drop input").first.set_input_files(file_of(photo))
    answered(watched)


def test_a_photo_dropped_beside_the_box_is_taken_too(watched: Page, site, photo):
    begin(watched, f"{site}/intro.html")
    watched.evaluate(GIVE, [".status", "drop", "car.jpg", base64.b64encode(photo).decode()])
    answered(watched)
    assert watched.url.startswith(f"{site}/intro.html")


def test_a_drawing_that_fails_is_no_success(page: Page, site):
    begin(page, f"{site}/intro.html")
    page.evaluate("carvana.loadScript('engine.js').then(() => carvana.loadScript('network.js'))")
    page.evaluate("carvana.loadScript('photo.js')")
    page.evaluate("() => { carvana.cutOut = () => { throw new RangeError('Array buffer allocation failed') } }")
    page.locator(".samples button").first.click()
    answered(page, "There is not enough memory for this photo")
    page.wait_for_function("!document.querySelector('.network-view').hasAttribute('aria-busy')")
    assert "memory" in page.locator(".status").inner_text()


def test_a_finger_moves_the_edge_between_before_and_after(watched: Page, site):
    begin(watched, f"{site}/intro.html")
    watched.locator(".samples button").first.click()
    answered(watched)
    box = watched.locator(".pair").bounding_box()
    watched.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 10)  # far from the slider's thumb
    watched.mouse.down()
    watched.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 10, steps=4)
    watched.mouse.up()
    assert 70 <= float(watched.locator(".split").input_value()) <= 80


def test_every_slider_has_a_name(page: Page, site):
    begin(page, f"{site}/cut-out.html")
    named = "inputs => inputs.map(input => input.labels.length || input.getAttribute('aria-label'))"
    assert all(page.locator(".network-view input:not([type=radio])").evaluate_all(named))
    owned = "labels => labels.every(label => label.control?.matches('input, select'))"
    assert page.locator(".network-view label").evaluate_all(owned)


def test_nothing_is_loaded_before_it_is_wanted(page: Page, site):
    asked = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(site)))
    begin(page, f"{site}/intro.html")
    page.wait_for_load_state("networkidle")
    own = [url for url in asked if url.startswith("/network/")]
    assert "/network/samples.js" in own and not any("unet" in url or "engine" in url for url in own)
    page.locator(".samples button").first.click()
    answered(page)
    assert "/network/unet-backgrounds.js" in asked and "/network/unet.js" not in asked
    page.goto(f"{site}/02-u-net.html", wait_until="networkidle")
    assert not any(url.startswith("/network/") for url in asked[asked.index("/02-u-net.html") :])


@pytest.fixture
def at_sub_path() -> Iterator[str]:
    """The pages below a folder of a site, as on most free hosts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=BUILD))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{HTML.name}"
    server.shutdown()
    server.server_close()


def until(page: Page, condition: str) -> None:
    """Wait until something is so of the browser's ``cache``; `wait_for_function` takes a promise itself for true."""
    check = """async (long) => {
        const cache = await caches.open('carvana-lessons'), end = Date.now() + long;
        while (Date.now() < end) {
            if (CONDITION) return true;
            await new Promise((again) => setTimeout(again, 50));
        }
    }"""
    assert page.evaluate(check.replace("CONDITION", condition), LONG), condition


def test_below_a_folder_and_without_a_connection_it_works_again(browser: Browser, at_sub_path):
    context = browser.new_context()
    page = context.new_page()
    begin(page, f"{at_sub_path}/intro.html")
    page.locator(".samples button").first.click()
    answered(page)
    page.wait_for_function("navigator.serviceWorker.controller", timeout=LONG)
    until(page, "(await cache.keys()).some((kept) => kept.url.endsWith('/intro.html'))")
    page.reload(wait_until="networkidle")
    # Of a page that the site has no more, a copy from before goes.
    page.evaluate("""async () => {
        await (await caches.open('carvana-lessons')).put('left-out.html', new Response('old'));
        await fetch('left-out.html');
    }""")
    until(page, "!await cache.match('left-out.html')")
    context.set_offline(True)
    begin(page, f"{at_sub_path}/intro.html")
    page.locator(".samples button").first.click()
    answered(page)
    context.close()


def test_from_disk_it_works_too(page: Page, photo):
    begin(page, (HTML / "intro.html").as_uri())
    page.locator(".samples button").first.click()
    answered(page)
    page.locator(".drop input").first.set_input_files(file_of(photo))
    page.wait_for_function("!document.querySelector('.status').textContent.includes('seconds')")
    answered(page)


def test_without_scripts_there_is_a_picture_and_a_sentence(browser: Browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for name in ("intro", "playground"):
        page.goto(f"{site}/{name}.html")
        assert page.locator(".network-view").inner_text().startswith("With JavaScript, this page")
    page.goto(f"{site}/intro.html")
    assert page.locator("article img").first.is_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["cut-out", "playground"])
def test_axe_finds_nothing_in_an_answer_and_it_fits_a_phone(page: Page, site, name, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 375, "height": 800})
    begin(page, f"{site}/{name}.html")
    page.locator(".samples button").first.click()
    page.locator(".network-view .answer").wait_for(timeout=LONG)
    found = Axe().run(page, context=".network-view", options={"resultTypes": ["violations"]}).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:100]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


# --- inside a network -------------------------------------------------------------------------------------------------


TRAINED = "The mask is that of the trained network."


def look_inside(page: Page, site: str) -> None:
    """The playground with the first drawn car."""
    begin(page, f"{site}/playground.html")
    page.locator(".samples button").first.click()
    answered(page, TRAINED)


def test_a_map_is_erased_and_the_mask_follows(watched: Page, site):
    look_inside(watched, site)
    stage = watched.locator(".stages details").filter(has_text="up 1:")
    stage.locator("summary").click()
    before = pixels_of(watched, "canvas.mask")
    for channel in range(8):
        stage.get_by_role("button", name=f"Map {channel} of up 1", exact=True).click()
        watched.get_by_label("erase this map").check()
        watched.locator(".network-view dialog").get_by_role("button", name="Close").click()
        answered(watched, "The change turns")
        watched.locator(".without").filter(has_text=f"{channel}.").wait_for(timeout=LONG)
    assert watched.locator(".without").inner_text() == "Erased maps: up 1: 0, 1, 2, 3, 4, 5, 6, 7."
    assert (pixels_of(watched, "canvas.mask") != before).any()
    difference = pixels_of(watched, "canvas.difference")[..., :3].reshape(-1, 3)
    assert {(255, 150, 30)} <= set(map(tuple, difference.tolist()))  # orange: what the network lost
    watched.get_by_role("button", name="As it was trained").click()
    answered(watched, TRAINED)
    assert (pixels_of(watched, "canvas.mask") == before).all()


def test_the_address_of_the_page_keeps_what_is_set(page: Page, site):
    begin(page, f"{site}/playground.html")
    page.locator("select[name=network]").select_option("unet-small", force=True)
    page.locator(".samples button").first.click()
    answered(page, TRAINED)
    stage = page.locator(".stages details").filter(has_text="down 2:")
    stage.locator("summary").click()
    stage.get_by_role("button", name="Map 3 of down 2").click()
    page.get_by_label("erase this map").check()
    answered(page, "The change turns")
    address = page.url
    page.goto("about:blank")
    begin(page, address)
    page.locator(".samples button").first.click()
    page.locator(".without").filter(has_text="Erased maps: down 2: 3.").wait_for(timeout=LONG)
    assert page.locator("select[name=network]").input_value() == "unet-small"


@pytest.mark.parametrize(
    ("page_name", "switches", "change"),
    [
        ("05-segnet-unpooling", {"places"}, lambda view: view.get_by_label("always top left").check()),
        ("06-coordinate-maps", {"places", "maps", "rates"}, None),
        (
            "07-dilated-convolution",
            {"places", "maps", "rates"},
            lambda view: view.locator("[name='middle 4']").fill("1"),
        ),
        ("08-feature-maps", set(), None),
    ],
)
def test_a_chapter_has_the_switches_of_its_networks_and_the_mask_follows(watched, site, page_name, switches, change):
    begin(watched, f"{site}/{page_name}.html")
    watched.locator(".samples button").first.click()
    answered(watched, TRAINED)
    view = watched.locator(".network-view")
    shown = {name for name in ("places", "maps", "rates") if view.locator(f"fieldset.{name}").is_visible()}
    assert shown == switches
    if change is None:
        return
    before = pixels_of(watched, "canvas.mask")
    change(view)
    answered(watched, "The change turns")
    assert (pixels_of(watched, "canvas.mask") != before).any()
    view.get_by_role("button", name="As it was trained").click()
    answered(watched, TRAINED)
    assert (pixels_of(watched, "canvas.mask") == before).all()


def test_moved_maps_reach_the_middle(watched: Page, site):
    """Whether the mask cares is the network's matter; what the middle computes must change."""
    begin(watched, f"{site}/06-coordinate-maps.html")
    watched.locator(".samples button").first.click()
    answered(watched, TRAINED)
    view = watched.locator(".network-view")
    middle = view.locator(".stages details").filter(has_text="middle 1:")
    middle.locator("summary").click()
    before = middle.locator(".tiles canvas").evaluate_all("all => all.map(canvas => canvas.toDataURL()).join()")
    view.get_by_label("all zero").check()
    watched.wait_for_function(
        """before => [...document.querySelectorAll('[data-stage="middle 1"] .tiles canvas')]
            .map(canvas => canvas.toDataURL()).join() !== before""",
        arg=before,
        timeout=LONG,
    )


def test_another_network_answers_for_the_same_photo(watched: Page, site):
    look_inside(watched, site)
    watched.locator("select[name=network]").select_option("unet-small")
    watched.locator(".stages summary").filter(has_text="down 1: 8 maps of 128 × 128").wait_for(timeout=LONG)
    answered(watched, TRAINED)


def test_what_was_open_and_where_the_focus_was_stays_so(watched: Page, site):
    look_inside(watched, site)
    stage = watched.locator(".stages details").filter(has_text="down 3:")
    stage.locator("summary").click()
    stage.get_by_role("button", name="show all 44").click()
    stage.get_by_role("button", name="Map 40 of down 3").click()
    watched.get_by_label("erase this map").check()
    watched.locator(".without").filter(has_text="40").wait_for(timeout=LONG)
    watched.locator(".network-view dialog").get_by_role("button", name="Close").click()
    watched.wait_for_function("document.activeElement.ariaLabel === 'Map 40 of down 3, erased'", timeout=LONG)
    assert stage.locator(".tiles button").count() == 44


@pytest.mark.parametrize(
    "link",
    [
        "null",
        "7",
        "%7B%22network%22%3A%22nobody%22%2C%22places%22%3A%22%5C%22%22%7D",  # network nobody, places "
        "%7B%22erase%22%3A%7B%22down%201%22%3A5%7D%7D",  # erase: {"down 1": 5}
        "%7B%22erase%22%3A%22x%22%2C%22rates%22%3A5%2C%22maps%22%3A5%7D",
        "a-heading",
    ],
)
def test_a_link_with_nonsense_is_an_ordinary_page(watched: Page, site, link):
    begin(watched, f"{site}/playground.html#{link}")
    watched.locator("select[name=network]").select_option("unet-small", force=True)
    watched.locator(".samples button").first.click()
    answered(watched, TRAINED)


def test_where_a_part_is_missing_the_reader_may_try_again(browser: Browser, site):
    context = browser.new_context(service_workers="block")  # else it would ask in the page's place
    page = context.new_page()
    page.route("**/network/samples.js", lambda route: route.abort())
    page.goto(f"{site}/intro.html")
    page.locator(".network-view").scroll_into_view_if_needed()
    again = page.locator(".network-view").get_by_role("button", name="Try again")
    again.wait_for(timeout=LONG)
    assert page.locator(".network-view").inner_text().startswith("The file samples.js could not be loaded")
    page.unroute("**/network/samples.js")
    again.click()
    page.locator(".samples button").nth(2).wait_for(timeout=LONG)
    page.route("**/network/unet-backgrounds.js", lambda route: route.abort())
    page.locator(".samples button").first.click()
    answered(page, "The file unet-backgrounds.js could not be loaded")
    page.unroute("**/network/unet-backgrounds.js")
    page.locator(".samples button").first.click()
    answered(page)
    context.close()
