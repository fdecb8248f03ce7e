"""`replace` and `with_` of every settings class: what is not named stays."""

from pathlib import Path
from typing import Any

import pytest

from stochsim.hardware import preset, presets
from stochsim.search.search_settings import OptimizeFile
from stochsim.settings import SettingError, Settings, read_toml
from stochsim.studies import Study

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WHOLE: dict[str, Settings] = {
    **{name: preset(name) for name in presets()},
    **{
        path.stem: (OptimizeFile if "[search]" in path.read_text() else Study).from_table(
            read_toml(path)
        )
        for path in sorted(EXAMPLES.glob("*.toml"))
    },
}


def parts(settings: Settings) -> list[Settings]:
    """Settings and all sections in them."""
    inner = [getattr(settings, name) for name in type(settings).model_fields]
    found = [settings]
    for one in inner:
        found += parts(one) if isinstance(one, Settings) else []
    return found


@pytest.mark.parametrize("name", WHOLE)
def test_each_field_set_anew_to_what_it_is_changes_nothing(name: str) -> None:
    """As a value, as a table of one entry, and by its address."""
    for part in parts(WHOLE[name]):
        for field in type(part).model_fields:
            value = getattr(part, field)
            assert part.replace(**{field: value}) == part
            assert part.with_({field: value}) == part
            assert part.model_copy(update={field: value}) == part
            if not isinstance(value, Settings):
                continue
            for inner in type(value).model_fields:
                one: dict[str, Any] = {inner: getattr(value, inner)}
                assert part.replace(**{field: one}) == part
                assert part.with_({f"{field}.{inner}": one[inner]}) == part


@pytest.mark.parametrize("name", WHOLE)
def test_a_table_of_one_entry_would_reset_others_if_it_were_taken_whole(name: str) -> None:
    """The negative control: some section is not at its defaults."""
    whole = WHOLE[name]
    sections = [one for one in parts(whole)[1:] if one.model_fields_set]
    assert any(
        getattr(one, field) != info.get_default(call_default_factory=True)
        for one in sections
        for field, info in type(one).model_fields.items()
    )


@pytest.mark.parametrize("name", WHOLE)
def test_an_unknown_name_is_refused_at_every_depth(name: str) -> None:
    for part in parts(WHOLE[name]):
        for edit in (lambda part=part: part.replace(nothing=1), lambda part=part: part.with_(7)):
            with pytest.raises(SettingError):
                edit()
