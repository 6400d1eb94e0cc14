"""The page in a browser, on a desktop and on a phone: every control is used; there is no network request."""

import shutil
import subprocess
import sys

import pytest

from core import disk, places
from ensembles.voting import hard, soft, submission
from submissions.compare import leaderboard
from tests.compare.fabricated import COMPARE, fabricate, noise_photographs, predictions
from tests.conftest import PROJECT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH")

FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --no-first-run".split()
LONG_NAME = "a-name-of-the-greatest-length-00-" * 3 + "e"


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A page with seven submissions of one data set and one of another."""
    root = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNS", str(root / "runs"))
        patch.setenv("SUBMISSIONS", str(root / "submissions"))
        write_submissions()
        words = [sys.executable, *COMPARE, "--data", str(noise_photographs(root / "photographs"))]
        subprocess.run(words, cwd=PROJECT, check=True, capture_output=True)
        return places.submissions() / "index.html"


def write_submissions():
    good = fabricate("k/good", predictions(0.9, 1), predictions(0.9, 2))
    fair = fabricate("k/fair", predictions(0.6, 3), predictions(0.6, 4))
    poor = fabricate("k/poor", predictions(0.3, 5), predictions(0.3, 6))
    deep = fair
    for _ in range(6):
        deep = soft(2 * deep, hard(poor, fair))
    votes = {"good": good, "fair": fair, "poor": poor, "both": soft(good, fair), "hard": hard(good, fair, poor)}
    for name, vote in {**votes, "deep": deep, LONG_NAME: good}.items():
        submission.write(name, vote)
    submission.write(
        "elsewhere", fabricate("k/elsewhere", predictions(0.7, 8, 70), predictions(0.7, 9, 35), data_set="1")
    )
    for name, f1 in (("good", "0.8"), ("fair", "0.6")):
        leaderboard.add(name, leaderboard.Options(public_f1=f1, note="n" * 300))


@pytest.fixture(scope="module", params=[(1280, "light"), (390, "dark")], ids=["desktop", "phone"])
def opened_page(browser, built, request):
    """The opened page, the messages in its console, and the addresses that it requested."""
    width, scheme = request.param
    messages, requests = [], []
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, has_touch=width < 500)
    opened = context.new_page()
    opened.on("console", lambda message: messages.append(message.text))
    opened.on("pageerror", lambda error: messages.append(str(error)))
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto(built.as_uri())
    opened.locator(".disagreements .cards li").first.wait_for()
    yield opened, width, messages, requests
    context.close()


@pytest.fixture
def page(opened_page, built):
    """The page with its forms reset; after the test it is checked for errors, its width and its requests."""
    opened, width, messages, requests = opened_page
    opened.evaluate("for (const form of document.forms) { form.reset(); form.dispatchEvent(new Event('change')); }")
    yield opened
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert messages == []
    assert [url for url in requests if not url.startswith("data:")] == [built.as_uri()]


def column(table, number):
    return table.locator(f"tbody tr > :nth-child({number})").all_inner_texts()


def test_a_click_on_a_columns_name_sorts_by_it(page):
    table = page.locator("table.sortable").first
    assert table.locator("th[aria-sort=descending]").inner_text().startswith("macro F1")
    name = table.get_by_role("button", name="submission")
    name.click()
    assert column(table, 2) == sorted(column(table, 2), reverse=True)
    name.press("Enter")
    assert column(table, 2) == sorted(column(table, 2))
    assert table.locator("th[aria-sort=ascending]").inner_text().startswith("submission")
    for head in table.locator("thead button").all():
        head.click()
    table.get_by_role("button", name="public F1").click()
    public_f1 = column(table, 9)
    assert public_f1[:2] in (["0.8", "0.6"], ["0.6", "0.8"])
    assert set(public_f1[2:]) == {""}
    table.get_by_role("button", name="macro F1").press("Space")
    assert column(table, 3) == sorted(column(table, 3), reverse=True)


def test_plots_and_trees_are_drawn(page, built):
    first = page.locator(".dataset").first
    assert first.locator(".plot .main-svg").count() >= 3
    text = first.locator("[data-figure=class-f1]").inner_text()
    for value in disk.read_json(built.with_name("good.json"))["tree"]["oof"]["class_f1"]:
        assert f"{value:.2f}" in text
    assert page.locator("[data-figure=leaderboard]").count() == 1
    tree = first.locator(".tree", has_text="deep")
    assert tree.locator("ul ul ul ul ul ul").count() >= 1
    assert tree.locator(".weight").first.inner_text() == "2 ×"
    tree.locator("summary").press("Enter")
    assert not tree.locator(".node").first.is_visible()
    tree.locator("summary").click()
    assert tree.locator(".node").first.is_visible()


def test_colours_follow_light_and_dark(page):
    def colour():
        return page.locator(".plot .xtick text").first.evaluate("text => getComputedStyle(text).fill")

    before = colour()
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    page.emulate_media(color_scheme="light" if dark else "dark")
    page.wait_for_function(
        "before => getComputedStyle(document.querySelector('.plot .xtick text')).fill !== before", arg=before
    )


def test_two_chosen_submissions_side_by_side(page):
    section = page.locator(".disagreements").first
    cards, status = section.locator(".cards li"), section.locator(".status")
    section.get_by_label("this", exact=True).select_option("good")
    section.get_by_label("against", exact=True).select_option("poor")
    assert section.locator(".summary").inner_text().startswith("They disagree on")
    assert "good against poor" in section.locator(".summary").inner_text()
    assert cards.count() == 24
    assert cards.first.locator("dt").all_inner_texts()[:2] == ["good", "poor"]
    assert cards.first.locator("img").evaluate("image => image.complete && image.naturalWidth") == 192
    more = section.get_by_role("button", name="Show all")
    more.press("Enter")
    assert cards.count() == int(status.inner_text().split(" of the ")[0]) > 24
    assert not more.is_visible()
    section.get_by_label("against", exact=True).select_option("good")
    assert section.locator(".summary").inner_text() == "Choose two different submissions."
    assert cards.count() == 0


def test_filters_choose_the_images(page):
    section = page.locator(".disagreements").first
    cards = section.locator(".cards li")
    section.get_by_label("this", exact=True).select_option("good")
    section.get_by_label("against", exact=True).select_option("poor")
    section.get_by_label("images", exact=True).select_option("train")
    assert cards.count() > 0
    assert all(text.startswith("training") for text in section.locator(".file").all_inner_texts())
    section.get_by_label("which is right").select_option("the second")
    for card in cards.all():
        assert "✗" in card.locator("dd").nth(0).inner_text()
        assert "✓" in card.locator("dd").nth(1).inner_text()
    section.get_by_label("which is right").select_option("the first")
    assert "✓" in cards.first.locator("dd").nth(0).inner_text()
    section.get_by_label("they disagree on").select_option("gender")
    for card in cards.all():
        one, other = (line.split()[1] for line in card.locator("dd").all_inner_texts()[:2])
        assert one != other
    section.get_by_label("images", exact=True).select_option("test")
    assert section.get_by_label("which is right").is_disabled()
    assert cards.count() > 0
    assert "true class" not in section.locator(".cards").inner_text()


def test_the_keyboard_reaches_the_filters(page):
    section = page.locator(".disagreements").first
    section.get_by_label("this", exact=True).focus()
    for name in ("other", "part", "task", "right"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") == name
    section.get_by_label("images", exact=True).focus()
    page.keyboard.press("ArrowDown")
    assert section.get_by_label("images", exact=True).input_value() == "test"
    assert all(text.startswith("test") for text in section.locator(".file").all_inner_texts())


def test_every_control_has_a_name(page):
    for control in page.locator("select, button:visible, [role=region], [role=img]").all():
        named = control.evaluate("e => e.ariaLabel || e.labels?.[0]?.innerText || e.innerText")
        assert named.strip()
