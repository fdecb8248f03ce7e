"""Which settings no other one beats, and how much of the plane they take: both figures are better
where they are smaller.
"""

from collections.abc import Sequence

Point = tuple[float, float]


def dominates(a: Point, b: Point) -> bool:
    """Whether `a` is nowhere worse than `b` and somewhere better."""
    return a[0] <= b[0] and a[1] <= b[1] and a != b


def front(points: Sequence[Point]) -> list[int]:
    """Places of the points that none dominates, by rising first figure; of equal points the first
    one alone.
    """
    found: list[int] = []
    for index in sorted(range(len(points)), key=lambda index: (*points[index], index)):
        if not found or points[index][1] < points[found[-1]][1]:
            found.append(index)
    return found


def undominated(points: Sequence[tuple[float, ...]]) -> list[int]:
    """Places of the points of any number of figures that none dominates, by rising first figure;
    of equal points the first one alone.
    """
    found: list[int] = []
    for index in sorted(range(len(points)), key=lambda index: (*points[index], index)):
        one = points[index]
        if not any(all(a <= b for a, b in zip(points[k], one, strict=True)) for k in found):
            found.append(index)
    return found


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """Area between the front of the points and `reference`, which bounds it from above; a point
    beyond it adds nothing.
    """
    inside = [point for point in points if point[0] < reference[0] and point[1] < reference[1]]
    area = 0.0
    ceiling = reference[1]
    for index in front(inside):
        first, second = inside[index]
        area += (reference[0] - first) * (ceiling - second)
        ceiling = second
    return area
