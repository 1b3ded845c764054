"""Members of the frame decoder towards where changes go; `Frames` and the stations behind it tell what they are."""

from amaranth import signed
from amaranth.lib.wiring import In, Out

from crosstrain_hdl.memory import address_width
from crosstrain_model.frames import beat_bits
from crosstrain_model.port import code_bits


def load_members(design):
    """The load side of vectors, or where changes come from the host the stream of beats, passes and rows to form."""
    if design.streamed:
        return {
            "u_valid": Out(1),
            "u_ready": In(1),
            "u_sparse": Out(1),
            "u_first": Out(1),
            "u_data": Out(beat_bits(design)),
            "u_last": Out(1),
            "p_valid": Out(1),
            "p_ready": In(1),
            "f_valid": Out(1),
            "f_ready": In(1),
            "f_row": Out(address_width(design.array.rows)),
        }
    if design.pulsed:
        commit = {"commit_ex": Out(signed(8)), "commit_ed": Out(signed(8))}
    else:
        commit = {"commit_exponent": Out(signed(9)), "commit_program": Out(1), "commit_empty": Out(1)}
    codes = design.stream_codes if design.pulsed else design.array.lanes
    return {
        "w_valid": Out(1),
        "w_ready": In(1),
        "w_is_d": Out(1),
        "w_codes": Out(codes * code_bits(design)),
        **commit,
        "commit_valid": Out(1),
        "commit_ready": In(1),
    }
