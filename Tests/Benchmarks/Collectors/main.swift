import Collectors
import Glibc
import RuntimeSupport
import Telemetry

// Prints what a tick of all default collectors costs on this machine: series and CPU time, per interval and together.
// usage: CollectorBenchmark [ticks, default 200]
//        CollectorBenchmark live SECONDS    the runner with its threads in real time, and what it costs

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

if CommandLine.arguments.count == 3, CommandLine.arguments[1] == "live", let seconds = UInt32(CommandLine.arguments[2])
{
    let last = LastScrape()
    let runner = CollectorRunner(collectors: DefaultCollectors.make(), time: SystemTimeSource()) {
        last.keep($0)
        return true
    }
    runner.start()
    // The first ten seconds open, number and look around.
    sleep(11)
    let before = cpuMicroseconds()
    sleep(seconds)
    let cost = (cpuMicroseconds() - before) / Double(seconds)
    let entries = runner.entries
    runner.stop()
    let missed = entries.reduce(0) { $0 + $1.missedTicks }
    let absent = entries.filter(\.isUnavailable).map(\.name).joined(separator: " ")
    print("\(rounded(cost)) us of CPU per second, \(missed) ticks missed, not on this machine: \(absent)")
    exit(0)
}

let ticks = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 200
var perSecondTotal = 0.0
var seriesTotal = 0
print(line(["collector", "interval", "series", "us/tick", "us/s"]))
for collector in DefaultCollectors.make() {
    let time = ManualTimeSource(now: SystemTimeSource().now)
    let last = LastScrape()
    let interval = collector.defaultIntervalMilliseconds
    let runner = CollectorRunner(collectors: [collector], time: time) {
        if $0.intervalMilliseconds == interval { last.keep($0) }
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
    // The runner's own six series about this collector come every ten seconds too.
    let series = max(0, last.count - (interval == 10_000 ? 6 : 0))
    seriesTotal += series
    print(
        line([
            collector.name, "\(collector.defaultIntervalMilliseconds) ms", "\(series)", rounded(perTick),
            rounded(perSecond),
        ]))
}
print(line(["all", "", "\(seriesTotal)", "", rounded(perSecondTotal)]))
