"""The soak, cut short: `make soak` runs 2,000 cells."""

from soak import Soak


def test_sixty_cells_with_faults_among_them_are_answered_as_promised(own_kernel):
    report = Soak(own_kernel, cells=60, seed=7).run()
    assert report.wrong == [], report
    before, after = report.kernel
    # Descriptors come and go with hosts and clients; what leaks would leak with every cell.
    assert after[1] - before[1] < 20, report
