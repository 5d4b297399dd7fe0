"""The report in a real browser: whole, quiet, sortable, and safe with foreign names."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import NASTY
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from synthetic_results import demo_runs, epoch_rows, run_row, write_datasets

from analysis.frames import read_results
from analysis.page import html_report
from analysis.report import report

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")

HOSTILE = "<img src=x onerror='window.broken=1'> & $x$"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of two tasks, with predictions of one run, and names that are up to no good."""
    rows = demo_runs() + [
        run_row(
            f"demo-digits-search-01{n:02d}", lr=0.001 * (n + 1), inter_dim=4 * (1 + n % 3),
            inter_weight=0.1 * (n + 1), last_val_top1=60.0 + 3 * n, begin=n, task="digits",
        )
        for n in range(8)
    ]  # fmt: skip
    rows.append(run_row("demo-hostile-final-seed1", task=HOSTILE, commit=HOSTILE, test_top1=50.0))
    epochs = [row for run in rows for row in epoch_rows(run["run_id"], 1.0)]
    for row in epochs:
        row["test_top1"] = 80.0 + row["epoch"] if "final" in row["run_id"] else None
    predicted = [
        {"run_id": f"demo-digits-final-seed{seed}", "image": n, "target": n % 2,
         "predicted": int(n % 2 == 1 or n < 4), "correct": n % 2 == 1 or n >= 4}
        for seed in (1, 2, 3)
        for n in range(10)
    ]  # fmt: skip
    folder = write_datasets(tmp_path_factory.mktemp("results"), rows, epochs, predicted)
    classes = {"digits": {"classes": ["even <b>", "odd"]}}
    (folder / "data-demo.json").write_text(json.dumps(classes))
    results = read_results(str(folder))
    path = folder / "report.html"
    path.write_text(html_report(results, report(results)))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Tests run as root in some containers, where Chromium's sandbox does not start.
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


def opened(context: BrowserContext, path: Path) -> tuple[Page, list[str]]:
    """Open a file without a network; give the page, and what it asks for or complains of."""
    context.set_offline(True)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url[:60]))
    page.goto(path.as_uri())
    return page, [line for line in said if not line.startswith(("file:", "data:"))]


def shoot(page: Page, name: str, folder: Path) -> None:
    """Keep a picture for people: in $SA2VP_TEST_ARTEFACTS, if that is set."""
    target = Path(os.environ.get("SA2VP_TEST_ARTEFACTS", folder))
    target.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=target / f"{name}.png", full_page=True)


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [("desktop", 1300, "light"), ("dark", 1300, "dark"), ("phone", 390, "light")],
)
def test_the_page_is_whole_quiet_and_as_wide_as_the_screen(
    browser: Browser, page_file: Path, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page, said = opened(context, page_file)
    shoot(page, f"report-{name}", tmp_path)
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    red, *_ = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)")
    assert (int(red) < 64) == (scheme == "dark")
    digits = page.locator("section.task", has_text="digits (demo").first
    titles = digits.locator("figcaption b").all_inner_texts()
    wanted = ["Learning curves.", "ASHA's rungs.", "Configurations.", "Importance.", "Confusion."]
    assert titles == wanted
    assert page.locator("figcaption b").first.inner_text() == "Accuracy against parameters."
    texts = page.locator("svg text").all_text_contents()
    assert "inter_weight" in texts
    assert "even <b>" in texts
    context.close()


def test_names_are_shown_and_never_run(browser: Browser, page_file: Path) -> None:
    page, said = opened(browser.new_context(), page_file)
    assert said == []
    assert page.evaluate("window.broken") is None
    assert page.locator("img").count() == 0
    assert page.get_by_role("cell", name=HOSTILE, exact=True).count() >= 1
    assert page.locator("dd", has_text=HOSTILE).count() == 1


def test_a_press_on_a_columns_name_sorts_and_keeps_the_means_last(
    browser: Browser, page_file: Path
) -> None:
    page, _ = opened(browser.new_context(), page_file)
    table = (
        page.locator("section", has_text="demo on backbone demo: results").locator("table").first
    )
    header = table.locator("th", has_text="test top").first

    def first_cells() -> list[str]:
        return table.locator("tbody tr td:first-child").all_inner_texts()

    assert first_cells() == [HOSTILE, "digits", "location", "mean of 3 tasks"]
    header.locator("button").click()
    assert first_cells() == ["digits", "location", HOSTILE, "mean of 3 tasks"]  # 92, 80, 50
    assert header.get_attribute("aria-sort") == "descending"
    header.locator("button").press("Enter")
    assert first_cells() == [HOSTILE, "location", "digits", "mean of 3 tasks"]
    table.locator("th button", has_text="task").click()
    assert first_cells() == ["location", "digits", HOSTILE, "mean of 3 tasks"]


def test_worst_classes_and_provenance_are_spelled_out(browser: Browser, page_file: Path) -> None:
    page, _ = opened(browser.new_context(), page_file)
    rows = page.get_by_role("region", name="Worst classes").first.locator("tbody tr")
    # Of 15 even images in three runs, those with numbers 0 and 2 are taken for odd each time.
    assert rows.first.locator("td").all_inner_texts() == [
        "even <b>",
        "15",
        "60.0 %",
        "odd (40.0 %)",
    ]
    digits = page.locator("section.task", has_text="digits (demo").first
    assert "f00d" in digits.inner_text()
    assert "torch 2.6.0" in digits.inner_text()
    assert 'task = "digits"' in digits.locator("pre").inner_text()
    assert digits.get_by_text("demo-digits-final-seed3").count() == 1


def test_it_prints_black_on_white_without_cut_tables(
    browser: Browser, page_file: Path, tmp_path: Path
) -> None:
    page, _ = opened(browser.new_context(color_scheme="dark"), page_file)
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    page.set_viewport_size({"width": 1031, "height": 700})  # A4 across, between its margins
    for table in page.locator("table").all():
        box = table.bounding_box()
        assert box is not None
        assert box["width"] <= 1031
    target = Path(os.environ.get("SA2VP_TEST_ARTEFACTS", tmp_path)) / "report.pdf"
    page.pdf(path=target, prefer_css_page_size=True)
    assert target.read_bytes().startswith(b"%PDF")


def test_a_page_that_is_kept_fresh_loads_itself_again(page_file: Path) -> None:
    results = read_results(str(page_file.parent))
    assert '<meta http-equiv="refresh" content="7">' in html_report(results, [], 7)
    assert "refresh" not in page_file.read_text()


def test_a_cell_of_a_table_is_escaped(page_file: Path) -> None:
    assert NASTY not in page_file.read_text()
    assert "<b>" not in page_file.read_text().replace("<figcaption><b>", "")
