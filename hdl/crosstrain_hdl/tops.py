"""Which top a design has: one controller per way of keeping the gradient."""


def controller(design):
    """The component whose Verilog is the design's: `Controller` or `GradientController`."""
    if design.pulsed:
        from crosstrain_hdl.gradient_controller import GradientController

        return GradientController(design)
    from crosstrain_hdl.controller import Controller

    return Controller(design)
