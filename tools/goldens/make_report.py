"""Writes tests/golden/report: event files written by TensorBoard's own protobufs and record writer.

    python tools/goldens/make_report.py        (needs tensorboard and pillow)
"""
import io
import pathlib

from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "report"
WALL_TIME = 1700000000.25


def scalars(step, **numbers):
    values = [Summary.Value(tag=tag.replace("__", "/"), simple_value=value) for tag, value in numbers.items()]
    return Event(wall_time=WALL_TIME, step=step, summary=Summary(value=values))


def image(step, tag, png, width, height):
    picture = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png)
    return Event(wall_time=WALL_TIME, step=step, summary=Summary(value=[Summary.Value(tag=tag, image=picture)]))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    Image.new("RGB", (300, 7), (200, 40, 90)).save(buffer, format="PNG")
    png = buffer.getvalue()
    (FOLDER / "picture.png").write_bytes(png)
    events = [
        Event(wall_time=WALL_TIME, file_version="brain.Event:2"),
        Event(wall_time=WALL_TIME, step=301, session_log=SessionLog(status=SessionLog.START)),
        scalars(0, train__loss=0.0),
        scalars(310, train__loss=2.345, train__lr=5e-4),
        scalars(5_000_000_000, train__loss=float("nan"), train__grad_norm_image=float("inf")),
        image(310, "first_batch", png, 300, 7),
    ]
    with open(FOLDER / "events.bin", "wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())


if __name__ == "__main__":
    main()
