"""The page of a navigation: who may use it, and what one does with it in a browser."""

import http.client
import json
import re
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
import torch

from mtl2r_bench.cli import app as cli
from mtl2r_bench.navigate import Session, Wish, open_run
from mtl2r_models import Ranker

pytest.importorskip("dash", reason="the extra `ui` is not installed")

from mtl2r_bench.navigate.web import Page
from mtl2r_bench.navigate.web.browsers import Browsers

# selenium's own, of sockets that the garbage collector closes
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def serve(toy, folder):
    """Serves a page of the toy with these tasks."""
    pages = []

    def build(*tasks):
        page = Page(Session.start(toy(*tasks)), folder)
        thread = threading.Thread(target=lambda: list(page.run()))
        thread.start()
        pages.append((page, thread))
        return page

    yield build
    for page, thread in pages:
        page.stop()
        thread.join(timeout=20)


@pytest.fixture(scope="module")
def page(serve):
    return serve("relevance", "click")


@pytest.fixture(scope="module")
def trio(serve):
    return serve("relevance", "click", "quality")


# Who may use it


def ask(page, path=None, method="GET", body=None, **headers):
    """Status, headers and text of a request."""
    token = page.address.split("/")[3]
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, f"/{token}/" if path is None else path, body=body, headers=named)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, response.headers, text


def test_the_address_has_a_token_and_only_it_opens(page):
    assert ask(page)[0] == 200
    token = page.address.split("/")[3]
    assert len(token) >= 32
    for path in (
        "/",
        "/_dash-layout",
        f"/{token[:-1]}/",
        f"/{token}x/",
        "/%C3%A9/",
        "//",
        "/x/../",
    ):
        status, _, text = ask(page, path)
        assert status == 403
        assert token not in text


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}", "0.0.0.0:{port}", ""],
)
def test_only_its_own_name_is_served(page, host):
    status, _, text = ask(page, Host=host.format(port=page.port))
    assert status == 403
    assert "Navigate" not in text


def test_a_request_that_changes_something_comes_from_the_page(page):
    token = page.address.split("/")[3]
    path = f"/{token}/_dash-update-component"
    kind = {"Content_Type": "application/json"}
    for origin in (None, "null", "http://evil.example", f"https://127.0.0.1:{page.port}"):
        extra = {} if origin is None else {"Origin": origin}
        assert ask(page, path, "POST", "{}", **kind, **extra)[0] == 403
    own = ask(page, path, "POST", "{}", **kind, Origin=f"http://127.0.0.1:{page.port}")
    assert own[0] != 403


def test_the_page_is_confined(page):
    _, headers, text = ask(page)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "script-src 'self' 'sha256-" in policy
    assert "unsafe" not in policy.split("script-src")[1].split(";")[0]
    assert "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store"
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "http://" not in text
    assert "https://" not in text


# Navigations of several browsers


def test_a_browser_more_than_there_is_room_for(toy, tmp_path):
    browsers = Browsers(Session.start(toy("relevance", "click")), tmp_path, limit=2)
    first, second = browsers.seat("a"), browsers.seat("b")
    assert browsers.seat("a") is first
    assert first.session is not second.session
    with pytest.raises(ValueError, match=r"too many open tabs \(limit 2\)"):
        browsers.seat("c")


def test_an_idle_browser_is_saved_and_gives_way(toy, tmp_path):
    browsers = Browsers(Session.start(toy("relevance", "click")), tmp_path, limit=1, idle=0.0)
    first = browsers.seat("a")
    first.session.step(Wish(improve="click", give={"relevance": 0.02}))
    browsers.seat("b")
    (saved,) = (tmp_path / "navigations").iterdir()
    again = Session.resume(toy("relevance", "click"), saved)
    assert len(again.points) == 2
    assert browsers.seat("a").session.point.id == 0  # begins anew


def test_one_command_at_a_time(toy, tmp_path):
    seat = Browsers(Session.start(toy("relevance", "click")), tmp_path).seat("a")
    with seat.alone():
        assert seat.busy
        with pytest.raises(ValueError, match="another command"), seat.alone():
            pass
    assert not seat.busy


def test_browsers_take_turns_at_computing(toy, tmp_path):
    browsers = Browsers(Session.start(toy("relevance", "click")), tmp_path)
    first, second = browsers.seat("a"), browsers.seat("b")
    computed = threading.Event()

    def compute():
        with second.alone():
            second.session.step(Wish(improve="click", give={"relevance": 0.02}))
            computed.set()

    thread = threading.Thread(target=compute)
    with first.alone():
        thread.start()
        assert not computed.wait(0.2)
        assert second.activity.text == "waiting for another tab's step"
        assert len(second.session.points) == 1
    assert computed.wait(20)
    thread.join(timeout=20)
    assert second.activity.text == ""
    assert first.session.point.id == 0


# The command


@pytest.fixture
def navigate(monkeypatch, capsys):
    """Runs `mtl2r-bench navigate`: exit code, output, errors."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["mtl2r-bench", "navigate", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return end.value.code or 0, captured.out, captured.err

    return call


def test_the_command_prints_the_address_and_ends_with_ctrl_c(run, navigate, monkeypatch):
    def interrupted(self, poll_interval=0.5):
        raise KeyboardInterrupt

    monkeypatch.setattr("werkzeug.serving.BaseWSGIServer.serve_forever", interrupted)
    code, out, err = navigate(run, "--web")
    assert code == 0, err
    assert re.search(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", out)
    assert not (run / "navigations").exists()


@pytest.mark.parametrize(
    "name", ["SIGINT", "SIGTERM", pytest.param("SIGHUP", marks=pytest.mark.slow)]
)
def test_a_signal_to_a_page_in_the_background_ends_it_and_keeps_the_walk(
    run, visit, name, tmp_path
):
    number = getattr(signal, name)
    command = [sys.executable, "-m", "mtl2r_bench", "navigate", str(run), "--web"]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            # As a shell starts what is to run in the background.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )
    try:
        deadline = time.monotonic() + 180
        while not (found := re.search(r"http://\S+/", (tmp_path / "said").read_text())):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        visitor = visit(SimpleNamespace(address=found[0]))
        visitor.say("improve quality")
        visitor.take_the_step()
        process.send_signal(number)
        process.send_signal(number)  # an impatient second one does not disturb the saving
        assert process.wait(180) == 0  # a busy machine takes its time
    finally:
        process.kill()
        process.wait(30)
    text = (tmp_path / "said").read_text()
    (saved,) = (run / "navigations").iterdir()
    assert f"The page has ended ({name}).\nSaved: {saved}\n" in text
    assert f"To go on: mtl2r-bench navigate {run} --resume {saved.name} --web" in text
    assert "Traceback" not in text
    kept = Session.resume(open_run(run), saved)
    assert [point.id for point in kept.points] == [0, 1]
    visitor.driver.get("about:blank")
    visitor.driver.get_log("browser")  # the page asked a server that was gone


def test_without_the_extra_the_command_says_what_to_install(run, navigate, monkeypatch):
    for name in [n for n in sys.modules if n.startswith("mtl2r_bench.navigate.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dash", None)
    code, _, err = navigate(run, "--web")
    assert code == 1
    assert "pip install 'mtl2r-bench[ui]'" in err


# In a browser


class Visitor:
    """A browser on the page."""

    def __init__(self, driver, page):
        from selenium.webdriver.common.by import By
        from selenium.webdriver.common.keys import Keys
        from selenium.webdriver.support.wait import WebDriverWait

        self.driver, self.by, self.keys = driver, By, Keys
        self._wait = WebDriverWait(driver, 20, poll_frequency=0.05)
        driver.get(page.address)
        self.until(lambda: self.rows())

    def until(self, condition):
        self._wait.until(lambda _: condition())

    def find(self, selector):
        return self.driver.find_element(self.by.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(self.by.CSS_SELECTOR, selector)

    def text(self, name):
        return self.driver.execute_script(
            "return document.getElementById(arguments[0]).innerText", name
        )

    def rows(self):
        """The text of the rows of the points' table, the newest first."""
        return self.driver.execute_script(
            "return [...document.querySelectorAll('#points tbody tr')].map(r => r.innerText)"
        )

    def here(self):
        """The number of the current point."""
        return self.driver.execute_script(
            "const r = document.querySelector('#points tr.current th');"
            "return r ? r.innerText : null"
        )

    def sliders(self):
        return [float(s.get_attribute("aria-valuenow")) for s in self.all("[role=slider]")]

    def slide(self, task, keys):
        self.all("[role=slider]")[task].send_keys(self.keys.ARROW_RIGHT * keys)

    def say(self, text):
        field = self.find("#say")
        field.send_keys(self.keys.CONTROL, "a")
        field.send_keys(text + self.keys.ENTER)

    def take_the_step(self):
        before = len(self.rows())
        self.until(lambda: self.find("#step").is_enabled())
        self.find("#step").send_keys(self.keys.ENTER)
        self.until(lambda: len(self.rows()) == before + 1)

    def drawn(self):
        """Names of what the figure shows."""
        return self.driver.execute_script(
            "return (document.querySelector('#graph .js-plotly-plot')?.data || []).map(t => t.name)"
        )


@pytest.fixture(scope="module")
def windows(open_browser):
    return open_browser(), open_browser()


@pytest.fixture
def visit(windows):
    """A visitor with a fresh cookie; afterwards nothing was asked of anybody else."""
    for window in windows:
        window.get_log("performance")
        window.get_log("browser")
    visitors = []

    def build(page):
        window = windows[len(visitors)]
        window.get("about:blank")  # the tab that was there leaves its seat
        window.execute_cdp_cmd("Network.clearBrowserCookies", {})
        visitors.append(Visitor(window, page))
        return visitors[-1]

    yield build
    for visitor in visitors:
        assert visitor.driver.get_log("browser") == []


def test_a_slider_a_step_undo_and_export(visit, page, folder):
    visitor = visit(page)
    assert visitor.find("#step").get_attribute("disabled")
    assert visitor.find("#undo").get_attribute("disabled")
    visitor.slide(1, 20)
    # On the front of two tasks at equal weights one gains what the other loses.
    visitor.until(lambda: visitor.sliders() == [-0.2, 0.2])
    visitor.until(lambda: "Predicted" in visitor.text("outlook"))
    visitor.until(lambda: "predicted, with its band" in visitor.drawn())
    visitor.take_the_step()
    assert visitor.here() == "1"
    assert "realised" in visitor.text("outlook")
    assert visitor.sliders() == [0, 0]
    visitor.find("#undo").click()
    visitor.until(lambda: visitor.here() == "0")
    assert len(visitor.rows()) == 2
    visitor.all("#points button")[0].click()  # the newest point's
    visitor.until(lambda: visitor.here() == "1")
    visitor.find("#export-name").send_keys("clicks", visitor.keys.ENTER)
    visitor.until(lambda: "Written" in visitor.text("message"))
    ranker = Ranker.load(folder / "rankers" / "clicks")
    theta = torch.cat([p.detach().reshape(-1) for p in ranker.model.parameters()])
    # Between the two optima a_k = e_k / √2, nearer to that of click.
    assert theta[1] > theta[0] > 0
    visitor.find("#save-name").send_keys("walk", visitor.keys.ENTER)
    visitor.until(lambda: "walk" in visitor.text("message"))
    assert (folder / "navigations" / "walk" / "session.json").is_file()


def test_a_reload_finds_the_navigation_again(visit, page):
    visitor = visit(page)
    visitor.say("step improve click give relevance 0.02")
    visitor.until(lambda: visitor.here() == "1")
    visitor.driver.refresh()
    visitor.until(lambda: visitor.here() == "1")


def test_three_tasks_and_one_that_is_held(visit, trio):
    visitor = visit(trio)
    visitor.slide(0, 10)
    visitor.until(lambda: visitor.sliders() == [0.1, -0.05, -0.05])
    visitor.all(".hold input")[2].click()
    visitor.slide(0, 10)
    visitor.until(lambda: visitor.sliders() == [0.2, -0.15, -0.05])
    visitor.until(lambda: "Predicted" in visitor.text("outlook"))
    visitor.find("#reset").click()
    visitor.until(lambda: visitor.sliders() == [0, 0, 0])


def test_two_browsers_do_not_disturb_each_other(visit, page):
    one, other = visit(page), visit(page)
    one.say("improve click give relevance 0.02")
    other.say("improve relevance give click 0.01")
    one.take_the_step()
    assert len(other.rows()) == 1
    other.take_the_step()
    assert one.here() == other.here() == "1"
    assert one.rows()[0] != other.rows()[0]
    one.find("#undo").click()
    one.until(lambda: one.here() == "0")
    other.driver.refresh()
    other.until(lambda: other.here() == "1")


def test_two_tabs_of_one_browser_are_two_walks(visit, page):
    visitor = visit(page)
    driver = visitor.driver
    first = driver.current_window_handle
    visitor.say("step improve click give relevance 0.02")
    visitor.until(lambda: visitor.here() == "1")
    try:
        driver.switch_to.new_window("tab")
        other = Visitor(driver, page)
        assert other.here() == "0"
        other.say("improve relevance give click 0.01")
        other.take_the_step()
        there = other.rows()
        driver.switch_to.window(first)
        # The other's preview is not taken here, and a reload finds the walk of this tab.
        visitor.say("step")
        visitor.until(lambda: "nothing to step to" in visitor.text("message"))
        mine = visitor.rows()
        driver.refresh()
        visitor.until(lambda: visitor.rows() == mine)
        assert mine != there
        # A tab that is opened from another has the other's storage, and yet a walk of its own.
        driver.execute_script("window.open(location.href)")
        visitor.until(lambda: len(driver.window_handles) == 3)
        driver.switch_to.window(driver.window_handles[-1])
        visitor.until(lambda: len(visitor.rows()) == 1)
        assert visitor.here() == "0"
    finally:
        for handle in driver.window_handles:
            if handle != first:
                driver.switch_to.window(handle)
                driver.close()
        driver.switch_to.window(first)


def test_the_seat_of_a_closed_tab_is_free_at_once(toy, tmp_path):
    browsers = Browsers(Session.start(toy("relevance", "click")), tmp_path, limit=1)
    walker = browsers.seat("a")
    walker.session.step(Wish(improve="click", give={"relevance": 0.02}))
    with pytest.raises(ValueError, match=r"too many open tabs \(limit 1\)"):
        browsers.seat("b")
    browsers.leave("a")
    browsers.leave("nobody")
    assert browsers.seat("a") is walker  # it was only loaded anew
    with pytest.raises(ValueError, match=r"too many open tabs \(limit 1\)"):
        browsers.seat("b")
    browsers.leave("a")
    browsers.seat("b")
    assert len(list((tmp_path / "navigations").iterdir())) == 1


def test_one_walk_that_cannot_be_saved_does_not_lose_the_others(toy, tmp_path, monkeypatch):
    browsers = Browsers(Session.start(toy("relevance", "click")), tmp_path)
    seats = [browsers.seat(key) for key in "ab"]
    for seat in seats:
        seat.session.step(Wish(improve="click", give={"relevance": 0.02}))

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(seats[0].session, "save", full)
    saving = browsers.save()
    assert next(saving) == seats[1].places.saved
    with pytest.raises(OSError, match="No space"):
        next(saving)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("height", [420, 768, 1200])
def test_the_message_is_whole_and_above_what_it_covers(visit, trio, scheme, height):
    # Its lower edge was missing in a high window, and in a low one fields shone through.
    visitor = visit(trio)
    driver = visitor.driver
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 1000, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        visitor.say("improve klick")
        visitor.until(lambda: "did you mean" in visitor.text("message"))
        top, bottom, window, edges, covered = driver.execute_script(
            "const m = document.getElementById('message'), r = m.getBoundingClientRect();"
            "const s = getComputedStyle(m), on = [];"
            "for (let x = r.left + 2; x < r.right - 2; x += 10)"
            "  for (let y = r.top + 2; y < r.bottom - 2; y += 8)"
            "    on.push(m.contains(document.elementFromPoint(x, y)));"
            "return [r.top, r.bottom, innerHeight, [s.borderTopWidth, s.borderBottomWidth,"
            " s.borderTopLeftRadius, s.borderBottomLeftRadius], on.every(Boolean)]"
        )
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert 0 <= top < bottom <= window
    assert edges == ["1px", "1px", "10px", "10px"]
    assert covered


def test_mistakes_get_a_message(visit, page):
    visitor = visit(page)
    for typed, message in (
        ("improve klick", "did you mean 'click'"),
        ("step", "nothing to step to"),
        ("go 99", "99"),
        ("<script>alert(1)</script>", "unknown command"),
        ("improve click give relevance minus", "unknown task 'minus'"),
        ("quit", "buttons"),
        ("export ../../out", "expected a name"),
    ):
        visitor.say(typed)
        visitor.until(lambda m=message: m in visitor.text("message"))
        assert "Traceback" not in visitor.text("message")
    visitor.find("#export").click()
    visitor.until(lambda: "give the ranker a name" in visitor.text("message"))
    visitor.find("#save-name").send_keys("a/b", visitor.keys.ENTER)
    visitor.until(lambda: "'a/b'" in visitor.text("message"))
    assert visitor.here() == "0"


def test_it_works_by_keyboard_alone(visit, page):
    from selenium.webdriver.common.action_chains import ActionChains

    visitor = visit(page)
    reached = []
    for _ in range(40):
        ActionChains(visitor.driver).send_keys(visitor.keys.TAB).perform()
        reached.append(
            visitor.driver.execute_script(
                "const a = document.activeElement; return a.getAttribute('role') == 'slider' ?"
                " a.getAttribute('aria-label') : (a.id || a.innerText)"
            )
        )
    for wanted in ("say", "reset", "export-name", "export", "save-name", "save"):
        assert wanted in reached
    assert any(str(name).startswith("click: ") for name in reached)


def test_it_asks_nobody_else_and_fits_a_laptop_in_light_and_dark(visit, page):
    visitor = visit(page)
    driver = visitor.driver
    figure = "return document.querySelector('#graph .js-plotly-plot')?.layout?.font.color"
    body = "return getComputedStyle(document.body).color"
    for scheme, in_hex, in_rgb in (
        ("light", "#1c2430", "rgb(28, 36, 48)"),
        ("dark", "#e6eaf0", "rgb(230, 234, 240)"),
    ):
        driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        visitor.until(lambda colour=in_hex: driver.execute_script(figure) == colour)
        assert driver.execute_script(body) == in_rgb
        width = driver.execute_script("return document.documentElement.scrollWidth")
        assert width <= driver.execute_script("return window.innerWidth")
    asked = [
        message["params"]["request"]["url"]
        for entry in driver.get_log("performance")
        for message in [json.loads(entry["message"])["message"]]
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert asked
    local = (f"http://127.0.0.1:{page.port}/", "data:", "blob:", "chrome")
    assert [url for url in asked if not url.startswith(local)] == []


def test_a_fault_gets_a_message_and_no_traceback(visit, page, monkeypatch):
    visitor = visit(page)

    def faulty(self, wish):
        raise RuntimeError("a fault that nobody expects")

    monkeypatch.setattr(Session, "preview", faulty)
    visitor.say("improve click")
    visitor.until(lambda: "a fault that nobody expects" in visitor.text("message"))
    assert "Traceback" not in visitor.driver.page_source
    assert visitor.here() == "0"
