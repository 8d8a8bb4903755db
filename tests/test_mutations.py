from tests.conftest import ROOT
from tests.mutations import mutations


def test_every_deliberate_mistake_can_be_made() -> None:
    made = [(each.what, (ROOT / each.file).read_text(encoding="utf-8").count(each.old)) for each in mutations()]
    assert [what for what, count in made if count != 1] == []
