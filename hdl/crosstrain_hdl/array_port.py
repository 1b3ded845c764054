"""The array port as members of a component, from the one table in `crosstrain_model.port`."""

from amaranth.lib.wiring import In, Out

from crosstrain_model.port import port_signals


def port_members(design):
    """{name: In or Out}, as the controller has them."""
    return {signal.name: (Out if signal.direction == "out" else In)(signal.width) for signal in port_signals(design)}


def watched_members(design):
    """{name: In} of every signal, as an onlooker has them."""
    return {signal.name: In(signal.width) for signal in port_signals(design)}
