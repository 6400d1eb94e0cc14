"""What a screen reader and weak eyes need of the page: heads of tables, words for pictures, contrast."""

from tests.compare.test_page import browser, built, opened_page, page, pytestmark  # noqa: F401 - fixtures

#: Of each visible text: its contrast ratio, as WCAG 2.1 defines it, with the nearest background that is drawn. Not of
#: numbers on a plot's cells and markers, whose background is no element's.
CONTRAST = """() => {
    const channels = text => text.match(/[\\d.]+/g).map(Number);
    const linear = v => v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const background = e => {
        for (; e; e = e.parentElement) {
            const colour = channels(getComputedStyle(e).backgroundColor);
            if ((colour[3] ?? 1) > 0.99) return colour;
        }
        return [255, 255, 255];
    };
    return [...document.querySelectorAll("body *")]
        .filter(e => e.checkVisibility() && !e.closest(".main-svg .cartesianlayer") && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
        .map(e => {
            const style = getComputedStyle(e);
            const pair = [luminance(channels(e.closest("svg") ? style.fill : style.color)), luminance(background(e))];
            const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
            return [ratio, `${e.tagName} ${e.getAttribute("class") ?? ""}: ${e.textContent.trim().slice(0, 40)}`];
        });
}"""


def test_text_stands_out(page):  # noqa: F811
    found = page.evaluate(CONTRAST)
    assert len(found) > 100
    assert [text for ratio, text in found if ratio < 4.5] == []


def test_tables_have_heads_and_pictures_have_words(page):  # noqa: F811
    assert page.locator("table").count() > 3
    for table in page.locator("table").all():
        assert table.locator("thead th[scope=col], tbody th[scope=row]").count() > 0
    assert page.locator("img").count() > 0
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    assert page.evaluate("document.documentElement.lang") == "en"
