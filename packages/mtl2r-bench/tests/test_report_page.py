"""The report's page, opened in a browser: it asks nobody for anything, and does what it says."""

import json

import pytest
from rich.console import Console

from mtl2r_bench.config import StudyConfig, validate
from mtl2r_bench.report import study_report
from mtl2r_bench.report.page.page import page as page_of
from mtl2r_bench.report.page.payload import payload
from mtl2r_bench.study.sweep import StudyFolder, sweep

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

# selenium's own, of sockets that the garbage collector closes
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A small study of two pairs, and its page."""
    folder = StudyFolder(tmp_path_factory.mktemp("page"))
    study = validate(
        StudyConfig,
        {
            "methods": ["ls", "wc", "mgda"],
            "preferences": 2,
            "task_sets": [["relevance", "quality"], ["quality", "click"]],
            "data": {
                "tasks": ["relevance", "quality", "click"],
                "synthetic": {
                    "train_queries": 16,
                    "validation_queries": 12,
                    "test_queries": 16,
                    "mean_length": 8,
                },
            },
            "model": {"hidden": 8, "layers": 1, "heads": 2, "feedforward": 8},
            "train": {"epochs": 1, "batch_size": 8},
        },
    )
    sweep(study, folder.path, jobs=1, console=Console(quiet=True))
    found = study_report(folder.path, resamples=100)
    folder.page.write_text(page_of(payload(found)))
    return found


@pytest.fixture(scope="module")
def browser(open_browser):
    driver = open_browser()
    driver.set_window_size(1366, 900)
    return driver


@pytest.fixture
def page(browser, report):
    """The page, freshly loaded; afterwards the console must have stayed empty."""
    browser.get_log("performance")
    browser.get(report.folder.page.as_uri())
    yield browser
    assert browser.get_log("browser") == []


def all_of(page, selector):
    return page.find_elements(By.CSS_SELECTOR, selector)


def one(page, selector):
    (found,) = all_of(page, selector)
    return found


def points(page):
    """Names of the traces of the chart and how many points each has."""
    traces = "document.getElementById('chart').data.map(t => [t.name, t.x.length])"
    return dict(page.execute_script(f"return {traces}"))


def test_it_loads_and_asks_nobody(page, report):
    assert page.title == report.overview.title
    expected = {"ls": 2, "wc": 2, "mgda": 1, "single-task baselines": 2, "random order": 1}
    assert points(page) == expected
    assert len(all_of(page, "#chart .scatterlayer .point")) == sum(expected.values())
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    # The browser's own start page may still be loading its parts.
    outside = [url for url in asked if not url.startswith(("data:", "chrome:", "blob:"))]
    assert outside == [report.folder.page.as_uri()]


def alone(page):
    """The point of mgda, with nothing else in the chart: rankers this small lie on one another."""
    one(page, "#none").click()
    one(page, "#landmarks").click()
    one(page, ".chip[data-method=mgda]").click()
    return one(page, "#chart .scatterlayer .point")


def test_numbers_are_shown_at_a_point(page, report):
    analysis = report.sections[0].analysis
    (row,) = [row for row in analysis.methods if row.method == "mgda"]
    ActionChains(page).move_to_element(alone(page)).pause(0.3).perform()
    text = one(page, ".hoverlayer .hovertext").text
    assert "mgda" in text
    for found in analysis.values[row.chosen]:
        assert f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]" in text
    assert f"{row.delta_m.value:+.2f}".replace("-", "−") in text


def test_a_click_selects_and_says_how_to_use_it(page, report):
    assert "No point selected" in one(page, "#detail").text
    ActionChains(page).move_to_element(alone(page)).pause(0.3).click().pause(0.3).perform()
    detail = one(page, "#detail").text
    assert detail.startswith("mgda")
    analysis = report.sections[0].analysis
    (run,) = next(point for point in analysis.points if point.method == "mgda").runs
    assert f"mtl2r-bench predict --model {report.folder.runs / run.name}" in detail
    assert "ndcg@30" in detail
    assert points(page) == {"mgda": 1, "selected": 1}
    assert one(page, "tr.selected").text.startswith("mgda")


def test_keys_walk_over_the_points_and_escape_leaves(page):
    chart = one(page, "#chart")
    chart.send_keys(Keys.ARROW_RIGHT)
    first = one(page, "#detail h2").text
    xs = "return document.getElementById('chart').data.find(t => t.name === 'selected').x[0]"
    places = [page.execute_script(xs)]
    for _ in range(6):
        chart.send_keys(Keys.ARROW_RIGHT)
        places.append(page.execute_script(xs))
    assert places == sorted(places)
    chart.send_keys(Keys.ARROW_RIGHT)  # once around
    assert one(page, "#detail h2").text == first
    chart.send_keys(Keys.ESCAPE)
    assert "selected" not in points(page)


def test_the_filter_filters(page):
    chip = one(page, ".chip[data-method=wc]")
    assert chip.get_attribute("aria-pressed") == "true"
    chip.send_keys(Keys.ENTER)
    assert one(page, ".chip[data-method=wc]").get_attribute("aria-pressed") == "false"
    assert "wc" not in points(page)
    rows = all_of(page, "table[data-name=points] tbody tr")
    assert [row for row in rows if row.is_displayed() and row.text.startswith("wc")] == []
    one(page, "#fronts").click()
    assert {"ls", "wc"} <= set(points(page))
    assert "mgda" not in points(page)
    one(page, "#none").click()
    assert set(points(page)) == {"single-task baselines", "random order"}
    one(page, "#all").click()
    assert points(page)["mgda"] == 1


def test_another_pair_and_another_view(page):
    Select(one(page, "#set")).select_by_visible_text("quality + click")
    title = "return document.getElementById('chart').layout.xaxis.title.text"
    assert page.execute_script(title) == "ndcg@10 on test: quality (larger is better)"
    Select(one(page, "#view")).select_by_visible_text("training loss")
    assert page.execute_script(title) == "training loss: quality (smaller is better)"
    assert "random order" not in points(page)


def test_tables_sort(page):
    table = one(page, "table[data-name=points]")
    heading = table.find_elements(By.CSS_SELECTOR, "th button")[2]
    column = "#tables table[data-name=points] tbody tr td:nth-child(3)"

    def values():
        return [float(cell.text.split()[0]) for cell in all_of(page, column)]

    heading.click()
    assert values() == sorted(values())
    heading.click()
    assert values() == sorted(values(), reverse=True)
    sorts = [th.get_attribute("aria-sort") for th in table.find_elements(By.TAG_NAME, "th")]
    assert sorts == [None, None, "descending", None, None, None, None]
    link = table.find_elements(By.CSS_SELECTOR, "button.link")[0]
    link.click()
    assert one(page, "#detail h2").text.startswith(link.text)


def test_light_and_dark(page):
    ground = "return getComputedStyle(document.body).backgroundColor"
    found = []
    for theme in ("light", "dark", "auto"):
        one(page, "#theme").click()
        assert one(page, "#theme").text == f"Theme: {theme}"
        found.append(page.execute_script(ground))
    assert found[0] != found[1]
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    assert page.execute_script(ground) == found[1]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_plot_fills_its_card(page):
    sizes = (
        "return ['#chart', '#chart .main-svg'].map((it) => document.querySelector(it))"
        ".map((it) => [it.clientWidth, it.clientHeight].join())"
    )
    for height in ("500px", "350px", ""):
        page.execute_script("document.getElementById('chart').style.height = arguments[0]", height)
        WebDriverWait(page, 10).until(lambda _: len(set(page.execute_script(sizes))) == 1)
