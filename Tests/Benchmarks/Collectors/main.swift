import Collectors
import Glibc
import RuntimeSupport
import Telemetry

// Prints what a tick of all default collectors costs on this machine: series and CPU time, per interval and together.
// usage: CollectorBenchmark [ticks, default 200]

func cpuMicroseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
}

func line(_ columns: [String]) -> String {
    columns.enumerated().map { index, text in
        let padding = String(repeating: " ", count: max(0, (index == 0 ? 18 : 12) - text.utf8.count))
        return index == 0 ? text + padding : padding + text
    }.joined()
}

func rounded(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

let ticks = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 200
var perSecondTotal = 0.0
var seriesTotal = 0
print(line(["collector", "interval", "series", "us/tick", "us/s"]))
for collector in DefaultCollectors.make() {
    let time = ManualTimeSource(now: SystemTimeSource().now)
    let last = LastScrape()
    let runner = CollectorRunner(collectors: [collector], time: time) {
        last.keep($0)
        return true
    }
    // Twice to open files and number series, then measured.
    for _ in 0..<2 {
        time.advance(milliseconds: collector.defaultIntervalMilliseconds)
        runner.collectDueNow()
    }
    let before = cpuMicroseconds()
    for _ in 0..<ticks {
        time.advance(milliseconds: collector.defaultIntervalMilliseconds)
        runner.collectDueNow()
    }
    let perTick = (cpuMicroseconds() - before) / Double(ticks)
    let perSecond = perTick * 1000 / Double(collector.defaultIntervalMilliseconds)
    perSecondTotal += perSecond
    seriesTotal += last.count
    print(
        line([
            collector.name, "\(collector.defaultIntervalMilliseconds) ms", "\(last.count)", rounded(perTick),
            rounded(perSecond),
        ]))
}
print(line(["all", "", "\(seriesTotal)", "", rounded(perSecondTotal)]))
