"""The standard normal quantile: Wichura, Algorithm AS 241, PPND16 (1988)."""

import math

import numpy as np

from stochsim_kernels._jit import helper, kernel
from stochsim_kernels.tasks import run_tasks

_AT_ONCE = 1024  # draws per task

CENTRE = 0.425
"""|p - 1/2| up to which `quantile_centre` holds."""


@helper
def quantile_centre(q):
    """AS 241's rational function for |q| = |p − 0.5| <= CENTRE."""
    z = 0.180625 - q * q
    top = 6.7265770927008700853e4 + z * (3.3430575583588128105e4 + z * 2.5090809287301226727e3)
    top = 1.9715909503065514427e3 + z * (
        1.3731693765509461125e4 + z * (4.5921953931549871457e4 + z * top)
    )
    top = 3.3871328727963666080e0 + z * (1.3314166789178437745e2 + z * top)
    low = 3.9307895800092710610e4 + z * (2.8729085735721942674e4 + z * 5.2264952788528545610e3)
    low = 6.8718700749205790830e2 + z * (
        5.3941960214247511077e3 + z * (2.1213794301586595867e4 + z * low)
    )
    return np.divide(
        q * top, 1.0 + z * (4.2313330701600911252e1 + z * low)
    )  # without a test for 0, so that loops run on vectors


@helper
def quantile_tail(z):
    """AS 241's rational function for z = sqrt(−log p) <= 5, p the smaller tail."""
    z -= 1.6
    top = 2.41780725177450611770e-1 + z * (
        2.27238449892691845833e-2 + z * 7.74545014278341407640e-4
    )
    top = 5.76949722146069140550e0 + z * (
        3.64784832476320460504e0 + z * (1.27045825245236838258e0 + z * top)
    )
    top = 1.42343711074968357734e0 + z * (4.63033784615654529590e0 + z * top)
    low = 1.51986665636164571966e-2 + z * (
        5.47593808499534494600e-4 + z * 1.05075007164441684324e-9
    )
    low = 1.67638483018380384940e0 + z * (
        6.89767334985100004550e-1 + z * (1.48103976427480074590e-1 + z * low)
    )
    return np.divide(top, 1.0 + z * (2.05319162663775882187e0 + z * low))


@helper
def quantile_far_tail(z):
    """AS 241's rational function for z = sqrt(−log p) > 5, p the smaller tail."""
    z -= 5.0
    top = 1.24266094738807843860e-3 + z * (
        2.71155556874348757815e-5 + z * 2.01033439929228813265e-7
    )
    top = 1.78482653991729133580e0 + z * (
        2.96560571828504891230e-1 + z * (2.65321895265761230930e-2 + z * top)
    )
    top = 6.65790464350110377720e0 + z * (5.46378491116411436990e0 + z * top)
    low = 1.84631831751005468180e-5 + z * (
        1.42151175831644588870e-7 + z * 2.04426310338993978564e-15
    )
    low = 1.36929880922735805310e-1 + z * (
        1.48753612908506148525e-2 + z * (7.86869131145613259100e-4 + z * low)
    )
    return np.divide(top, 1.0 + z * (5.99832206555887937690e-1 + z * low))


@helper
def normal_quantile(p):
    """The standard normal quantile of p in (0, 1), relative error about 1e-16: Wichura, Algorithm
    AS 241, PPND16 (1988).
    """
    q = p - 0.5
    if abs(q) <= CENTRE:
        return quantile_centre(q)
    z = math.sqrt(-math.log(min(p, 1.0 - p)))
    tail = quantile_tail(z) if z <= 5.0 else quantile_far_tail(z)
    return -tail if q < 0.0 else tail


@helper
def _fill_some(task, u, out):
    some = u[task * _AT_ONCE : (task + 1) * _AT_ONCE]
    normals = out[task * _AT_ONCE : (task + 1) * _AT_ONCE]
    for i in range(some.size):
        normals[i] = normal_quantile((some[i] + 0.5) / 2147483648.0)


@kernel
def fill_normals(u, out):
    """Write the standard normal quantile of (u + 1/2) / 2^31 to out (draw,) float64, right to 2e-15
    of itself; u: (draw,) uint32.
    """
    run_tasks(_fill_some, (u.size + _AT_ONCE - 1) // _AT_ONCE, (u, out))
