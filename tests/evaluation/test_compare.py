"""Two measurements of the same thing: the same, within the interval, or different."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.evaluation.compare import compare
from eisv_lumen.evaluation.report import DecodedResult, Decoding, EvalReport, Metric, provenance

COLD = Decoding(temperature=0.3, top_k=0, top_p=1.0)


def result(metrics, shaped=None):
    return DecodedResult(decoding=COLD, n=3, metrics=metrics, per_shape=shaped or {})


def report(*results):
    return EvalReport(
        kind="measured", name="r", title="R", target="initial", results=list(results),
        provenance=provenance("pytest"),
    )  # fmt: skip


numbers = st.floats(-2, 2, allow_nan=False)


@given(numbers, numbers, st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.1))
def test_the_verdict_is_by_the_definition(old, new, below, above, tolerance):
    metric = Metric(value=old, low=old - below, high=old + above)
    [figure] = compare(report(result({"m": metric})), [result({"m": Metric(value=new)})], tolerance)
    assert (figure.reported, figure.found, figure.shape) == (old, new, "")
    apart = abs(new - old)
    inside = metric.low <= new <= metric.high
    want = "same" if apart <= tolerance else "within" if inside else "differs"
    assert figure.verdict == want


def test_every_figure_is_compared_by_shape_too():
    values = np.arange(4.0)
    old = [Metric(value=v) for v in values]
    new = [Metric(value=v) for v in (0.0, 1.0, 2.0, 4.0)]
    shaped = [{"convergence": {"m": m[2]}, "void_rising": {"m": m[3]}} for m in (old, new)]
    figures = compare(
        report(result({"m": old[0], "n": old[1]}, shaped[0])),
        [result({"m": new[0], "n": new[1]}, shaped[1])],
    )
    assert [(f.metric, f.shape, f.verdict) for f in figures] == [
        ("m", "", "same"), ("n", "", "same"), ("m", "convergence", "same"),
        ("m", "void_rising", "differs"),
    ]  # fmt: skip


@pytest.mark.parametrize(("there", "found"), [("ab", "a"), ("a", "ab")])
def test_a_figure_without_its_counterpart_is_named(there, found):
    old, new = ({name: Metric(value=1.0) for name in names} for names in (there, found))
    with pytest.raises(InputError, match=r"report r, T = 0\.3: .*b"):
        compare(report(result(old)), [result(new)])
