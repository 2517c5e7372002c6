import Telemetry

/// How the collectors do, by collector: `stagebox_agent_collector_failures_total`, `_hangs_total`,
/// `_missed_ticks_total`, `_malformed_lines_total`, `_seconds_total` (time spent), `_up` (0 while it hangs or fails).
///
/// And, once there are any, what was refused at a bound: `stagebox_agent_collector_series_refused_total` (new series),
/// `stagebox_agent_collector_scrapes_refused_total` (ticks that the engine's queue had no room for).
///
/// The runner adds it to its collectors itself.
struct CollectorHealthCollector: Collector {
    let name = "collectors"
    let defaultIntervalMilliseconds: Int64 = 10_000
    struct Refusals {
        var series: UInt64 = 0
        var scrapes: UInt64 = 0
    }
    private let entries: () -> [CollectorSchedule.Entry]
    private let refusals: () -> Refusals
    private var handles: [[SeriesHandle]] = []
    private var refusalHandles: [SeriesHandle] = []

    init(
        entries: @escaping () -> [CollectorSchedule.Entry], refusals: @escaping () -> Refusals = { Refusals() }
    ) {
        self.entries = entries
        self.refusals = refusals
    }

    mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        let entries = entries()
        while handles.count < entries.count {
            let label = Label("collector", entries[handles.count].name)
            let counters = ["failures", "hangs", "missed_ticks", "malformed_lines", "seconds"].map {
                sink.register("stagebox_agent_collector_\($0)_total", [label], .counter, .process)
            }
            handles.append(counters + [sink.gauge("stagebox_agent_collector_up", label)])
        }
        // What this machine lacks is not worth six series.
        for (entry, handles) in zip(entries, handles) where entry.isEnabled && !entry.isUnavailable {
            sink.append(handles[0], entry.failures)
            sink.append(handles[1], entry.hangs)
            sink.append(handles[2], entry.missedTicks)
            sink.append(handles[3], entry.malformedLines)
            // Milliseconds are fine enough, and such values pack well.
            sink.append(handles[4], Double(entry.nanosecondsTotal / 1_000_000) / 1000)
            sink.append(handles[5], entry.isUp ? 1.0 : 0.0)
        }
        let refused = refusals()
        guard refused.series > 0 || refused.scrapes > 0 else { return }
        if refusalHandles.isEmpty {
            refusalHandles = ["series", "scrapes"].map {
                sink.register("stagebox_agent_collector_\($0)_refused_total", [], .counter, .process)
            }
        }
        sink.append(refusalHandles[0], refused.series)
        sink.append(refusalHandles[1], refused.scrapes)
    }
}
