//! Steps, graph, scheduler, deadlines, journal, events, report: knows nothing of clouds.
