"""The picture is a PNG of some size, also after one epoch."""

from crosstrain_model.training.history import History
from crosstrain_model.training.picture import draw_curves


def test_one_epoch_and_many(tmp_path):
    for rows in (1, 5):
        history = History(rows=[[50.0 + i, 60.0 + i, 100.0 * i, 10.0 * i, 1.0] for i in range(rows)])
        path = tmp_path / f"{rows}.png"
        draw_curves(history, "title", path)
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG")
        assert len(data) > 10_000
