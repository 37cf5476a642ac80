"""The Atom feed is what RFC 4287 and RFC 5005 ask for, read by a real reader."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import datetime
from uuid import UUID
from xml.etree.ElementTree import Element, fromstring

import pytest

from alerts.feeds.atom import AtomForm
from alerts.feeds.reading import Heading
from schemas.terms import AlertState
from tests.alerts.feeds.readers import ATOM, FeedReader, change, publish, set_content
from tests.alerts.rendering.samples import ALERT, alert_in, alert_with
from tests.taskforce.founding import Taskforce

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import feedparser

NewTaskforce = Callable[..., Taskforce]
_SPACE = "{http://www.w3.org/2005/Atom}"
_HEADING = Heading("g", "Alerts: g", "https://x.test/a", "https://x.test/a", None, None)
_ONCE = {"id", "title", "updated"}


@pytest.fixture
def database_kind() -> str:
    """What an alert looks like in this form is the same on each database: one will do."""
    return "sqlite"


def check_atom(document: bytes) -> list[Element]:
    """The entries of a feed that keeps RFC 4287, section by section; AssertionError otherwise."""
    feed = fromstring(document)  # noqa: S314 - ours
    assert feed.tag == f"{_SPACE}feed"
    assert set(feed.attrib) == {f"{_XML}lang", f"{_XML}base"}
    assert feed.get(f"{_XML}lang") == "en-GB"
    entries = feed.findall(f"{_SPACE}entry")
    for parent, allowed in ((feed, {"link", "entry"}), *((one, _ENTRY) for one in entries)):
        names = [child.tag.removeprefix(_SPACE) for child in parent]
        assert set(names) <= _ONCE | allowed
        assert {name for name in names if names.count(name) == 1} >= _ONCE
        assert datetime.fromisoformat(_text(parent, "updated")).tzinfo is not None
        assert _text(parent, "title")
    # Sections 4.1.1 and 4.1.2: every entry has an author, content, and an id of its own.
    for entry in entries:
        assert _text(entry, "author/{*}name")
        content = entry.find(f"{_SPACE}content")
        assert content is not None
        assert content.get("type") == "html"
        UUID(_text(entry, "id").removeprefix("urn:uuid:"))
        assert all(one.get("term") and one.get("scheme") for one in entry.findall(f"{_SPACE}category"))
    assert len({_text(entry, "id") for entry in entries}) == len(entries)
    links = [(one.get("rel"), one.get("href")) for one in feed.findall(f"{_SPACE}link")]
    assert [name for name, _ in links] in (["self", "first"], ["self", "first", "next"])
    return entries


_XML = "{http://www.w3.org/XML/1998/namespace}"
_ENTRY = {"published", "author", "link", "category", "rights", "content"}


def test_an_ordinary_reader_reads_the_feed(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    expired, superseded, withdrawn, usual = (publish(taskforce, title=f"About <{name}> & co") for name in "1234")
    change(taskforce, expired, AlertState.EXPIRED)
    change(taskforce, superseded, AlertState.SUPERSEDED, superseded_by="0815-NECC")
    change(taskforce, withdrawn, AlertState.WITHDRAWN, reason="A victim's account")
    answer = FeedReader(taskforce, "b").read(ATOM)
    assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    check_atom(answer.data)
    parsed = feedparser.parse(answer.data, response_headers={"content-type": answer.headers["Content-Type"]})
    assert parsed.bozo is False
    assert parsed.version == "atom10"
    assert parsed.feed.title == "Alerts: taskforce"
    titles = [entry.title.partition(":")[0] for entry in parsed.entries]
    assert titles[:3] == ["WITHDRAWN", "SUPERSEDED", "EXPIRED"]
    gone, replaced, old, newest = parsed.entries
    assert newest.title.endswith("About <4> & co")
    assert "<em>forged</em>" in newest.content[0].value
    assert "0815-NECC" in replaced.content[0].value
    assert "past its last day" in old.content[0].value
    assert "A victim's account" in gone.content[0].value
    assert {tag.term for tag in newest.tags} == {"AMBER", "OFFICIAL", "published", "amber", "money_mules"}
    assert newest.rights == "OFFICIAL TLP:AMBER."
    assert usual


def test_an_entry_leads_to_the_alerts_page(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b", "c")
    publish(taskforce, title="About mules")
    reader = FeedReader(taskforce, "b")
    answer = reader.read(ATOM)
    (entry,) = feedparser.parse(answer.data, response_headers={"content-type": answer.headers["Content-Type"]}).entries
    assert entry.link.startswith("https://"), "resolved by the feed's own base"
    page = reader.read("/" + entry.link.split("/", 3)[3])
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "About mules" in page.text
    assert "Issued to b" in page.text
    assert "Issued to c" in FeedReader(taskforce, "c").read("/" + entry.link.split("/", 3)[3]).text


def test_nothing_of_a_withdrawn_alert_is_left(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    alert_id = publish(taskforce)
    change(taskforce, alert_id, AlertState.WITHDRAWN, reason="wrong")
    text = FeedReader(taskforce, "b").read(ATOM).text
    for gone in ("Mule accounts", "forged", "employer", "One ring", "example.org", "money_mules"):
        assert gone not in text
    assert "undo what was done" in text


def test_an_empty_feed_is_a_feed(new_taskforce: NewTaskforce) -> None:
    assert check_atom(FeedReader(new_taskforce("a", "b"), "b").read(ATOM).data) == []


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "]]></content>", "\x00\x0b\ufffe\ud800 text", "&amp;lt;"]
)
def test_text_of_any_kind_stays_text(text: str) -> None:
    form = AtomForm()
    for changes in ({"title": text}, {"overview": text}, {"red_flags": (text,)}, {"conditions": text}):
        entry = check_atom(form.join(_HEADING, [form.entry(alert_with(**changes))]))[0]
        content = _text(entry, "content")
        assert "<script" not in content
        assert "]]></content>" not in content


def test_a_change_behind_the_exchanges_back_shows_only_with_a_version(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    alert_id = publish(taskforce)
    reader = FeedReader(taskforce, "b")
    first = reader.read(ATOM)
    set_content(taskforce, alert_id, title="Other")
    assert reader.read(ATOM).data == first.data
    change(taskforce, alert_id, AlertState.PUBLISHED)
    assert "Other" in reader.read(ATOM).text


def test_the_form_of_each_state_is_valid() -> None:
    form = AtomForm()
    made = [form.entry(ALERT)]
    assert len(check_atom(form.join(_HEADING, made))) == 1
    for state in (AlertState.WITHDRAWN, AlertState.SUPERSEDED, AlertState.EXPIRED):
        check_atom(form.join(_HEADING, [form.entry(alert_in(state))]))


def _text(parent: Element, path: str) -> str:
    found = parent.find(f"{_SPACE}{path}")
    assert found is not None, path
    return found.text or ""
