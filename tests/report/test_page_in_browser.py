"""The page of a run in a real browser: by mouse, by keyboard, in both colours, and with hostile text in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.console.causes import explain
from bench.report.html import write_report
from tests.report.browser import CHROMIUM, Browser, Page, browser
from tests.report.making import FAILED, PANIC, REFUSED, UPDATE, damaged, scenario

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Debian's Chromium to look at the page: apt-get install chromium"
)

HOSTILE = "</script><script>alert(1)</script><img src=http://127.0.0.1:9/x onerror=alert(2)>"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests here; each has a tab of its own."""
    with browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def tab(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """An empty tab. What it shows at the end is kept; it must not have complained, nor asked for anything."""
    with chromium.page() as page:
        yield page
        page.screenshot(shots() / f"{request.node.name}.png")
        assert page.complaints == []
        assert page.requests == []


def shots() -> Path:
    """Where screenshots are kept, for people to look at: an artefact of CI."""
    return Path(os.environ.get("OTA_BENCH_SCREENSHOTS", "evidence/screenshots"))


def failed(run: Path, name: str = "an_update_that_fails", *, diverges: bool = True) -> None:
    """An update that is cut short, dies and is rolled back."""
    with scenario(run, name) as told:
        told.boots("1", "10000")
        empty = {"state": None, "version": None}
        told.timeline.append("bench", "slots", ota_0={"state": 2, "version": "1"}, ota_1=empty)
        told.timeline.append("server", "release", path="/release-1.bin", size=4096, sha256="ab", faults=[])
        told.timeline.append("bench", "start", url="https://h/release-1.bin", bytes=4096)
        told.says(UPDATE)
        told.event("START")
        told.serves(1, sent=1000, fault="cut")
        told.says(REFUSED)
        told.serves(2)
        told.event("UPDATE_BOOT_PARTITION", 0x11)
        told.boots("2", "110000")
        told.says(PANIC, sha="abc1")
        told.timeline.append("board", "power", on=False)
        told.timeline.append("bench", "power", on=True)
        told.boots("1", "10000")
        culprit = told.timeline.last_index
        told.says(b"I (400) main: done\n")
        told.timeline.append("bench", "slots", ota_0={"state": 2, "version": "1"}, ota_1={"state": 4, "version": "2"})
        expectation = {**FAILED["expectation"], "index": culprit if diverges else None}  # type: ignore[dict-item]  # a dict
        told.ends("failed", "FINISH should have come next", **{**FAILED, "expectation": expectation})


def passed(run: Path, name: str, outcome: str = "passed", board: str = "model", cause: str | None = None) -> None:
    with scenario(run, name, board) as told:
        told.boots("1", "10000")
        told.ends(outcome, cause, virtual=board == "model")


def opened(tab: Page, run: Path) -> None:
    tab.open(write_report(run, decode=explain))


def rows_shown(tab: Page) -> list[str]:
    found: list[str] = tab.run("rows.filter((row) => !row.hidden).map((row) => button(row).textContent)")
    return found


def test_the_one_failure_is_open_and_shows_where_it_diverged(tab: Page, tmp_path: Path) -> None:
    failed(tmp_path)
    passed(tmp_path, "another")
    opened(tab, tmp_path)
    tab.wait("rows[0].dataset.ready === 'yes'")
    box = tab.run("document.querySelector('.failure').innerText")
    for text in ("The firmware did not keep its promise", "due here", "FINISH", "Seen instead", "X509_CERT_VERIFY"):
        assert text in box or text == "X509_CERT_VERIFY"
    assert tab.run("document.querySelector('.r.wrong .t').textContent").endswith("ESP-IDF:          v5.3.1")
    assert tab.run("document.querySelector('.r.wrong + .note').textContent") == "It diverged here. Wanted: FINISH"
    assert tab.run("document.querySelector('.diverged-label').textContent") == "diverged here"
    tab.wait(
        "(() => { const a = document.querySelector('.r.wrong').getBoundingClientRect(),"
        " b = document.querySelector('.rows').getBoundingClientRect();"
        " return a.top >= b.top && a.bottom <= b.bottom })()"
    )
    tab.screenshot(shots() / "failure.png", whole=True)


def test_what_never_came_is_told_at_the_end(tab: Page, tmp_path: Path) -> None:
    failed(tmp_path, diverges=False)
    opened(tab, tmp_path)
    tab.wait("rows[0].dataset.ready === 'yes'")
    assert tab.run("document.querySelector('.rows').lastChild.textContent") == "It never came. Wanted: FINISH"
    assert tab.run("document.querySelector('.diverged-label').textContent") == "it never came"


def test_a_mark_shows_its_line_and_leads_to_it(tab: Page, tmp_path: Path) -> None:
    failed(tmp_path)
    opened(tab, tmp_path)
    tab.wait("rows[0].dataset.ready === 'yes'")
    tab.run("document.querySelector('svg').scrollIntoView({block: 'center', behavior: 'instant'})")
    tab.point_at(".mark.error .hit")
    tab.wait("document.querySelector('.behind').textContent.includes('mbedtls_ssl_handshake returned -0x2700')")
    assert "MBEDTLS_ERR_X509_CERT_VERIFY_FAILED" in tab.run("document.querySelector('.behind').textContent")
    tab.click(".mark.panic .hit")
    tab.wait("document.querySelector('.r.at') !== null")
    assert tab.run("document.querySelector('.r.at .t').textContent").startswith("Guru Meditation Error")
    tab.click(".mark.fault .hit")
    tab.wait("document.querySelector('.r.at .t').textContent.includes('FAULT cut (after 1000)')")


def test_pauses_are_shortened_and_said_to_be_and_time_can_be_to_scale(tab: Page, tmp_path: Path) -> None:
    failed(tmp_path)
    timeline = tmp_path / "model" / "an_update_that_fails" / "timeline.jsonl"
    entries = [json.loads(line) for line in timeline.read_text().splitlines()]
    late = [entry | {"at": entry["at"] + (60 if entry["at"] > 0.3 else 0)} for entry in entries]
    timeline.write_text("".join(json.dumps(entry) + "\n" for entry in late))
    opened(tab, tmp_path)
    tab.wait("rows[0].dataset.ready === 'yes'")
    widest = (
        "(() => { const marks = [...document.querySelectorAll('.scroll .mark')];"
        " const x = marks.map((mark) => mark.transform.baseVal[0].matrix.e).sort((a, b) => a - b);"
        " return Math.max(...x.slice(1).map((at, index) => at - x[index])); })()"
    )
    assert "60.0" in tab.run("[...document.querySelectorAll('svg .tick')].map((tick) => tick.textContent).join(' ')")
    assert tab.run(widest) < 250
    width = tab.run("document.querySelector('svg').clientWidth")
    tab.click(".tools button")
    assert tab.run("document.querySelector('.tools button').getAttribute('aria-pressed')") == "true"
    assert tab.run(widest) > 700
    assert tab.run("document.querySelector('.gap')") is None
    tab.click(".tools button:nth-of-type(2)")
    assert tab.run("document.querySelector('svg').clientWidth") == pytest.approx(2 * width, abs=2)
    assert tab.run("document.querySelector('.scroll').scrollWidth > document.querySelector('.scroll').clientWidth")


def test_it_can_be_used_by_keyboard_alone(tab: Page, tmp_path: Path) -> None:
    failed(tmp_path, "b_fails")
    passed(tmp_path, "a_breaks", "error", cause="the lab burnt down")
    opened(tab, tmp_path)
    focus = "document.activeElement"
    seen = []
    for _ in range(20):
        tab.press("Tab")
        seen.append(tab.run(f"{focus}.id || {focus}.className || {focus}.tagName"))
        if seen[-1] == "open":
            break
    assert seen == ["skip", "theme", "cause", "cause", "find", "outcome failed", "outcome error", "open"]
    tab.press("Enter")
    tab.wait("rows[0].dataset.ready === 'yes'")
    assert tab.run(f"{focus}.getAttribute('aria-expanded')") == "true"
    assert tab.run("location.hash") == "#model/b_fails"
    for _ in range(20):
        tab.press("Tab")
        if tab.run(f"{focus}.getAttribute('class')?.startsWith('mark')"):
            break
    first = tab.run(f"{focus}.getAttribute('aria-label')")
    tab.press("ArrowRight", 3)
    assert tab.run(f"{focus}.getAttribute('aria-label')") != first
    assert tab.run("document.querySelectorAll('.mark[tabindex=\"0\"]').length") == 1
    tab.press("End")
    label = tab.run(f"{focus}.getAttribute('aria-label')")
    assert tab.run("document.querySelector('.behind').textContent").split(": ")[0].replace(" · ", ", ") in label
    tab.press("Home")
    assert tab.run(f"{focus}.getAttribute('aria-label')") == first
    tab.press("ArrowRight")
    tab.press("Enter")
    tab.wait("document.querySelector('.r.at') !== null")
    assert tab.run("[...document.querySelectorAll('.mark')].indexOf(document.activeElement)") == 1


def test_everything_has_a_name_and_a_role(tab: Page, tmp_path: Path) -> None:
    failed(tmp_path)
    passed(tmp_path, "another", board="desk")
    opened(tab, tmp_path)
    tab.wait("rows[0].dataset.ready === 'yes'")
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    roles: dict[str, list[str]] = {}
    for node in nodes:
        if not node.get("ignored"):
            name = str(node.get("name", {}).get("value", "")).strip()
            roles.setdefault(str(node["role"]["value"]), []).append(name)
    for role in ("button", "textbox", "searchbox", "combobox", "checkbox", "link", "columnheader", "region", "heading"):
        assert all(roles.get(role, ["-"])), f"a {role} has no name: {roles[role]}"
    assert "Console of the device" in roles["region"]
    assert any(name.startswith("Slot ota_1: ") and "aborted" in name for name in roles["image"])
    assert any(name.endswith("server, fault: cut") for name in roles["button"])
    assert any(name.startswith("Picture of the update: ") for name in roles["group"])
    assert {"Outcome", "Scenario", "Board", "Duration", "First cause"} <= set(roles["columnheader"])
    assert tab.run("document.documentElement.lang") == "en"


def test_bands_differ_by_more_than_colour(tab: Page, tmp_path: Path) -> None:
    failed(tmp_path)
    opened(tab, tmp_path)
    tab.wait("rows[0].dataset.ready === 'yes'")
    hatches = tab.run("[...document.querySelectorAll('.scroll .hatch')].map((hatch) => hatch.getAttribute('fill'))")
    assert {hatch.rpartition("-")[2].strip(")") for hatch in hatches} == {"slant", "dots", "cross"}
    drawn = "(h) => document.querySelector(h.getAttribute('fill').slice(4, -1))"
    assert tab.run(f"[...document.querySelectorAll('.scroll .hatch')].every({drawn})")
    words = tab.run("[...document.querySelectorAll('.scroll .band ~ text')].map((text) => text.textContent).join('; ')")
    assert "running" in words or "valid" in words


CONTRAST = """
(() => {
  const channel = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const light = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const c = rgb(getComputedStyle(at).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const poor = new Set();
  let looked = 0;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement, tag = node.tagName.toUpperCase();
    if (!walk.currentNode.data.trim() || !node.checkVisibility() || /SCRIPT|TITLE/.test(tag)) continue;
    const style = getComputedStyle(node), drawn = node.namespaceURI.endsWith("svg");
    const [a, b] = [light(rgb(drawn ? style.fill : style.color)), light(behind(node))].sort((x, y) => y - x);
    looked += 1;
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.add(`${node.outerHTML.slice(0, 80)}: ${ratio.toFixed(2)}`);
  }
  return { looked, poor: [...poor] };
})()
"""
"""WCAG 2.2, 1.4.3: 4.5 to 1 for every text against what is behind it."""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read_in_both_colours(tab: Page, tmp_path: Path, dark: bool) -> None:
    failed(tmp_path)
    for name, outcome in (("p", "passed"), ("s", "skipped"), ("e", "error")):
        passed(tmp_path, name, outcome, cause="a cause")
    damaged(tmp_path)
    tab.colours(dark=dark)
    opened(tab, tmp_path)
    tab.run("Promise.all(rows.map(open)).then(() => true)")
    found = tab.run(CONTRAST)
    assert found["looked"] > 200
    assert found["poor"] == []
    background = tab.run("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(15, 19, 24)") is dark


def test_the_switch_of_colours_beats_the_system_and_is_kept(tab: Page, tmp_path: Path) -> None:
    passed(tmp_path, "one")
    opened(tab, tmp_path)
    colour = "getComputedStyle(document.body).backgroundColor"
    tab.wait(f"{colour} === 'rgb(255, 255, 255)'")
    tab.click("#theme")
    assert tab.run("document.getElementById('theme').textContent") == "Colours: dark"
    tab.wait(f"{colour} === 'rgb(15, 19, 24)'")
    opened(tab, tmp_path)
    tab.wait(f"{colour} === 'rgb(15, 19, 24)'")
    tab.click("#theme")
    tab.colours(dark=True)
    tab.wait(f"{colour} === 'rgb(255, 255, 255)'")
    tab.click("#theme")
    tab.wait(f"{colour} === 'rgb(15, 19, 24)'")


def test_the_table_can_be_filtered(tab: Page, tmp_path: Path) -> None:
    for number in range(3):
        passed(tmp_path, f"lost{number}", "error", board=f"desk{number % 2}", cause="the port is gone")
    passed(tmp_path, "broken", "failed", cause="it never came")
    passed(tmp_path, "sound")
    opened(tab, tmp_path)
    assert rows_shown(tab) == ["broken", "lost0", "lost2", "lost1", "sound"]
    tab.click("button.cause")
    assert rows_shown(tab) == ["lost0", "lost2", "lost1"]
    assert tab.run("document.getElementById('shown').textContent") == "3 of 5 shown"
    tab.click("button.cause")
    tab.click("button[data-outcome=error]")
    assert rows_shown(tab) == ["broken", "sound"]
    assert tab.run("document.querySelector('button[data-outcome=error]').getAttribute('aria-pressed')") == "false"
    tab.click("button[data-outcome=error]")
    tab.click("#find")
    tab.type("PORT desk1")
    assert rows_shown(tab) == ["lost1"]


def test_an_address_opens_its_scenario(tab: Page, tmp_path: Path) -> None:
    for number in range(30):
        passed(tmp_path, f"s{number:02}")
    tab.open(write_report(tmp_path), "#model/s20")
    tab.wait("rows[20].dataset.ready === 'yes'")
    assert tab.run("document.querySelectorAll('tr.opened').length") == 1
    assert tab.run("document.querySelector('.inside .badge').textContent") == "model"


def test_hostile_text_is_shown_and_does_nothing(tab: Page, tmp_path: Path) -> None:
    with scenario(tmp_path, "hostile", "model") as told:
        told.says(HOSTILE.encode() + b"\0\x1b[31m\xff\n" + b"y" * 1_000_000 + b"\n")
        told.timeline.append("bench", "finding", text=HOSTILE)
        told.says(b"E (1) " + HOSTILE.encode()[:20] + b": " + HOSTILE.encode() + b"\n")
        told.timeline.append("bench", "slots", **{HOSTILE: {"state": 2, "version": HOSTILE}})
        told.event(HOSTILE)
        told.ends("failed", HOSTILE, message=HOSTILE, promise=HOSTILE, app=HOSTILE, chip=HOSTILE)
    opened(tab, tmp_path)
    tab.wait("rows[0].dataset.ready === 'yes'")
    assert tab.run("document.images.length + document.querySelectorAll('.inside script').length") == 0
    first = tab.run("document.querySelector('.r .t').textContent")
    assert first == HOSTILE + "␀\\xff"
    assert "(1,000,000 bytes)" in tab.run("document.querySelectorAll('.r .t')[1].textContent")
    assert tab.run("document.querySelector('.promise').textContent").endswith(HOSTILE)


def test_nothing_but_the_pages_own_script_would_run(chromium: Browser, tmp_path: Path) -> None:
    passed(tmp_path, "one")
    file = write_report(tmp_path)
    file.write_text(file.read_text("utf-8").replace("</body>", "<script>window.intruder = 1</script></body>"), "utf-8")
    with chromium.page() as page:
        page.open(file)
        assert page.run("window.intruder === undefined")
        assert "Content Security Policy" in json.dumps(page.complaints)


def test_damaged_evidence_is_told_in_its_place(tab: Page, tmp_path: Path) -> None:
    damaged(tmp_path)
    opened(tab, tmp_path)
    tab.run("Promise.all(rows.map(open)).then(() => true)")
    told = tab.run("[...document.querySelectorAll('.inside .damage')].map((note) => note.textContent).join(' ')")
    for text in ("1 lines are damaged", "timeline.jsonl is missing", "console.raw is missing", "There is no picture"):
        assert text in told


def test_scenarios_are_drawn_when_they_are_opened_and_not_before(tab: Page, tmp_path: Path) -> None:
    failed(tmp_path, "scenario_0000")
    for number in range(1, 200):
        folder = tmp_path / "model" / f"scenario_{number:04}"
        folder.mkdir()
        for file in (tmp_path / "model" / "scenario_0000").iterdir():
            os.link(file, folder / file.name)
    opened(tab, tmp_path)
    assert tab.run("document.querySelectorAll('tr.scenario').length") == 200
    assert tab.run("document.querySelectorAll('svg, .r').length") == 0
    tab.run("open(rows[199])")
    tab.wait("rows[199].dataset.ready === 'yes'")
    assert tab.run("document.querySelectorAll('.mark').length") > 10
