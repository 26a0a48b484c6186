"""A plugin that is wrong in any way is set aside with a sentence; everything else goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from panel.db import writing
from panel.issues.models import Issue

pytestmark = pytest.mark.databases("sqlite")

BROKEN = {
    "mistyped hook": (
        "@hookimpl\ndef register_chanels(ctx):\n    return []\n",
        "plugin_hook_unknown",
        'there is no hook "register_chanels". Did you mean "register_channels"?',
    ),
    "hook with a foreign argument": (
        "@hookimpl\ndef register_channels(context):\n    return []\n",
        "plugin_failed",
        "context",
    ),
    "unmarked hook": ("def register_channels(ctx):\n    return []\n", "plugin_hook_unmarked", "@hookimpl"),
    "no hook": ("x = 1\n", "plugin_without_hooks", "implements no hook"),
    "import that fails": ("import no_such_module_at_all\n", "plugin_failed", "no_such_module_at_all"),
    "syntax error": ("def broken(:\n", "plugin_failed", "(__init__.py, 2)"),
    "import that exits": ("raise SystemExit(3)\n", "plugin_failed", "SystemExit"),
    "settings that raise": (
        "@hookimpl\ndef register_settings():\n    raise KeyError('lost')\n",
        "plugin_failed",
        "KeyError: 'lost' (__init__.py, 4)",
    ),
    "event type of somebody else": (
        "from panel.sdk.events import EventType\n"
        "@hookimpl\ndef register_event_types():\n    return [EventType('order_paid', 'x', 'x')]\n",
        "plugin_foreign_name",
        'must begin with "bad."',
    ),
    "not a setting": (
        "@hookimpl\ndef register_settings():\n    return ['token']\n",
        "plugin_declaration",
        "str instead of SettingField",
    ),
    "setting declared twice": (
        "from panel.sdk.settings import SettingField\n"
        "@hookimpl\ndef register_settings():\n    return [SettingField('a', 'A'), SettingField('a', 'B')]\n",
        "plugin_declaration",
        "declared twice",
    ),
    "channel that raises": (
        "@hookimpl\ndef register_channels(ctx):\n    raise RuntimeError('no')\n",
        "plugin_failed",
        "RuntimeError: no",
    ),
    "channel that is none": (
        "@hookimpl\ndef register_channels(ctx):\n    return [object()]\n",
        "plugin_declaration",
        'a channel without "name"',
    ),
    "page with a wrong name": (
        "from panel.sdk.web import PluginPage\n"
        "@hookimpl\ndef register_pages(ctx):\n    return [PluginPage('../x', 'X', lambda r: '')]\n",
        "plugin_declaration",
        "../x",
    ),
    "page without a label": (
        "from panel.sdk.web import PluginPage\n"
        "@hookimpl\ndef register_pages(ctx):\n    return [PluginPage('x', None, lambda r: '')]\n",
        "plugin_declaration",
        '"label" is None instead of str',
    ),
    "page under a right that is not there": (
        "from panel.sdk.web import PluginPage\n"
        "@hookimpl\ndef register_pages(ctx):\n    return [PluginPage('x', 'X', lambda r: '', action='no.such')]\n",
        "plugin_declaration",
        'there is no right "no.such"',
    ),
    "event type with a field that is none": (
        "from panel.sdk.events import EventType\n"
        "@hookimpl\ndef register_event_types():\n    return [EventType('bad.x', 'x', 'x', fields=[5])]\n",
        "plugin_declaration",
        '"fields" has 5 in it',
    ),
    "condition without a function": (
        "from panel.sdk.declarations import ConditionType\n"
        "@hookimpl\ndef register_conditions(ctx):\n    return [ConditionType('c', 'L', 's', None)]\n",
        "plugin_declaration",
        '"test" is None instead of callable',
    ),
    "label of a megabyte": (
        "from panel.sdk.settings import SettingField\n"
        "@hookimpl\ndef register_settings():\n    return [SettingField('a', 'x' * 1_000_000)]\n",
        "plugin_declaration",
        '"label" has more than 200 letters',
    ),
    "default that cannot be stored": (
        "from panel.sdk.settings import SettingField\n"
        "@hookimpl\ndef register_settings():\n    return [SettingField('a', 'A', default=object())]\n",
        "plugin_declaration",
        "a default that cannot be stored",
    ),
    "hook that exits": (
        "@hookimpl\ndef register_channels(ctx):\n    raise SystemExit\n",
        "plugin_failed",
        "SystemExit",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_named_and_the_others_go_on(case, write_plugin, make_manager):
    code, problem_code, words = BROKEN[case]
    write_plugin("alpha")
    write_plugin("bad", code)
    write_plugin("omega")
    manager = make_manager()
    states = {one.id: one.state for one in manager.loaded}
    assert states == {"alpha": "on", "bad": "broken", "omega": "on"}
    problem = manager.get("bad").problem
    assert problem.code == problem_code
    assert words in problem.words("en")
    assert {one.name for one in manager.event_types()} >= {"alpha.seen", "omega.seen"}
    assert "bad" not in {plugin for plugin, _ in manager.pages()}


@pytest.mark.parametrize("key", ["id", "name", "version", "description", "author"])
def test_a_manifest_must_have_its_five_keys(key, write_plugin, make_manager):
    write_plugin("bad", **{key: None})
    (info,) = make_manager().loaded
    assert info.problem.code == "plugin_manifest_missing"
    assert f'"{key}"' in info.problem.words("en")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("id: [a", "plugin_manifest_unreadable"),
        ("- a\n- b", "plugin_manifest_unreadable"),
        ("id: bad\nnaem: x", "plugin_manifest_key"),
        ("id: bad\nname: {a: b}", "plugin_manifest_value"),
        ("x" * 100_000, "plugin_manifest_unreadable"),
        ("\udcff", "plugin_manifest_unreadable"),
    ],
)
def test_an_unreadable_manifest_is_told_not_raised(text, code, write_plugin, make_manager):
    folder = write_plugin("bad")
    (folder / "plugin.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    (info,) = make_manager().loaded
    assert (info.state, info.problem.code) == ("broken", code)


def open_severities(session):
    return session.scalars(select(Issue.severity).where(Issue.state == "open")).all()


def test_a_manifest_is_read_without_the_code_and_keeps_a_version_as_written(write_plugin, make_manager):
    write_plugin("bad", "raise RuntimeError('ran')")
    (info,) = make_manager().loaded
    assert info.manifest.version == "1.10"


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        ({"needs_panel": '">=99"'}, "plugin_needs_panel"),
        ({"needs_panel": "newest"}, "plugin_manifest_value"),
        ({"id": "other"}, "plugin_id_differs"),
        ({"sync_every": "daily"}, "plugin_manifest_value"),
        ({"enabled_by_default": "perhaps"}, "plugin_manifest_value"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(manifest, code, write_plugin, make_manager):
    write_plugin("bad", **manifest)
    (info,) = make_manager().loaded
    assert info.problem.code == code


def test_a_folder_without_manifest_is_not_a_plugin(tmp_path, make_manager):
    (tmp_path / "product" / "leftover").mkdir(parents=True)
    (info,) = make_manager().loaded
    assert info.problem.code == "plugin_without_manifest"


def test_of_two_plugins_with_one_id_the_products_own_is_used(tmp_path, write_plugin, make_manager):
    write_plugin("twin")
    write_plugin("twin", parent=tmp_path / "instance" / "plugins")
    infos = make_manager().loaded
    assert [(one.source, one.state) for one in infos] == [("product", "on"), ("instance", "broken")]
    assert infos[1].problem.code == "plugin_twice"


def test_a_plugin_dropped_into_the_instance_waits_for_a_person(tmp_path, write_plugin, make_manager):
    write_plugin("dropped", parent=tmp_path / "instance" / "plugins")
    (info,) = make_manager().loaded
    assert (info.source, info.state) == ("instance", "off")


def test_a_plugin_of_the_instance_imports_its_own_modules_as_any_plugin_does(tmp_path, write_plugin, make_manager):
    code = "from plugins.parted.words import TYPE\n@hookimpl\ndef register_event_types():\n    return [TYPE]\n"
    folder = write_plugin("parted", code, parent=tmp_path / "instance" / "plugins")
    (folder / "words.py").write_text(
        "from panel.sdk.events import EventType\nTYPE = EventType('parted.seen', 'Seen', 'Seen')\n"
    )
    assert [one.name for one in make_manager().event_types()] == ["parted.seen"]


CHANNEL = """
from panel.sdk.channels import ChannelFacts

class Pigeon:
    name = "pigeon"
    label = "Pigeon"
    icon = "feather"
    address_kind = "postal"
    facts = ChannelFacts()
    compile = encode = send = lookup = show = lambda self, *given: None

@hookimpl
def register_channels(ctx):
    return [Pigeon()]
"""


def test_a_channel_belongs_to_one_plugin(write_plugin, make_manager):
    write_plugin("first", CHANNEL)
    write_plugin("second", CHANNEL)
    manager = make_manager()
    assert manager.channel_owner("pigeon") == "first"
    assert manager.get("second").problem.code == "plugin_channel_taken"


def test_a_problem_of_an_enabled_plugin_is_an_issue_until_it_is_mended(write_plugin, make_manager):
    folder = write_plugin("bad", "import no_such_module_at_all\n")
    manager = make_manager()
    for _ in range(2):
        with writing() as session:
            manager.flush_issues(session)
    with writing() as session:
        assert open_severities(session) == ["error"]
    (folder / "__init__.py").write_text(
        "from panel.hookspecs import hookimpl\n@hookimpl\ndef register_settings():\n    return []\n"
    )
    manager = make_manager()
    with writing() as session:
        manager.flush_issues(session)
        assert open_severities(session) == []


def test_a_hook_that_fails_while_running_is_logged_and_told(write_plugin, make_manager, caplog):
    write_plugin("bad", "@hookimpl\ndef sync(ctx):\n    raise ValueError('half way')\n")
    manager = make_manager()
    assert manager.guarded("bad", "sync", ctx=manager.context("bad")) is None
    assert "plugin bad failed in sync" in caplog.text
    with writing() as session:
        manager.flush_issues(session)
        assert open_severities(session) == ["error"]


def test_the_product_folder_is_found(app):
    from panel.plugin_manager.sources import product_folder

    assert (product_folder() / "__init__.py").exists()
    assert isinstance(product_folder(), Path)


class TestInstalledPackages:
    @pytest.fixture
    def install(self, tmp_path, monkeypatch, write_plugin):
        """Put a package with an entry point on the path, as pip does."""

        def put(plugin_id: str, code: str, module: str = "") -> None:
            site = tmp_path / "site"
            package = write_plugin(plugin_id, code, parent=site)
            module = module or f"nava_{plugin_id}"
            target = site / module.replace(".", "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            package.rename(target)
            info = site / f"nava_{plugin_id}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: nava-{plugin_id}\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(f"[panel.plugins]\n{plugin_id} = {module}\n")
            monkeypatch.syspath_prepend(str(site))

        return put

    def test_an_installed_package_offers_a_plugin(self, install, make_manager):
        install("boxed", "@hookimpl\ndef register_settings():\n    return []\n")
        (info,) = make_manager().loaded
        assert (info.id, info.source, info.state) == ("boxed", "package", "off")

    def test_its_manifest_is_read_without_its_code(self, install, make_manager):
        install("boxed2", "raise RuntimeError('ran')")
        (info,) = make_manager().loaded
        assert info.manifest.version == "1.10"
        assert info.state == "broken"
        assert "ran" in info.problem.words("en")

    def test_a_package_that_names_nothing_is_told(self, install, make_manager, tmp_path):
        install("boxed3", "")
        (tmp_path / "site" / "nava_boxed3" / "plugin.yaml").unlink()
        (info,) = make_manager().loaded
        assert info.problem.code == "plugin_without_manifest"


ODD_CHANNEL = """
from panel.sdk.channels import ChannelFacts

class Pigeon:
    name, label, icon, address_kind, facts = "pigeon", "Pigeon", "feather", "postal", ChannelFacts()
    compile = encode = send = lookup = show = lambda self, *given: None
    {odd}

@hookimpl
def register_channels(ctx):
    return [Pigeon()]
"""


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ("name = None", '"name" must be a short text'),
        ("label = 5", '"label" must be a short text'),
        ('address_kind = "pigeon"', '"address_kind" must be'),
        ("send = None", '"send" must be a function'),
        ('facts = ChannelFacts(rate="fast")', '"rate" is "fast" instead of float or None'),
        ("facts = ChannelFacts(timeout=None)", '"timeout" is None instead of timedelta'),
        ("facts = ChannelFacts(batch_size=0)", "must be more than nothing"),
        ('preview = "hologram"', '"preview" must be'),
    ],
)
def test_a_channel_whose_parts_do_not_fit_is_set_aside(odd, words, write_plugin, make_manager):
    write_plugin("bad", ODD_CHANNEL.replace("{odd}", odd))
    manager = make_manager()
    assert words in manager.get("bad").problem.words("en")
    assert not manager.channels()
