import Telemetry

/// The series of one unit and how they are read.
struct ServiceSeries {
    private let cpu: [SeriesHandle]
    private let memory: SeriesHandle
    private let swap: SeriesHandle
    private let kills: SeriesHandle
    private let transfers: [SeriesHandle]
    private let pressures: [(file: String, waiting: SeriesHandle, stalled: SeriesHandle)]
    private let processes: SeriesHandle

    init(unit: String, _ sink: ScrapeSink) {
        let label = Label("unit", unit)
        // A cgroup starts with its unit, not with the machine: its counters' start is unknown.
        func counter(_ name: String, _ more: Label...) -> SeriesHandle {
            sink.register("stagebox_cgroup_\(name)_total", [label] + more, .counter, .unknown)
        }
        func gauge(_ name: String) -> SeriesHandle { sink.gauge("stagebox_cgroup_" + name, label) }
        cpu = ["cpu_seconds", "cpu_user_seconds", "cpu_system_seconds", "cpu_throttled_seconds"].map { counter($0) }
        memory = gauge("memory_bytes")
        swap = gauge("swap_bytes")
        kills = counter("oom_kills")
        transfers = ["read_bytes", "written_bytes", "reads", "writes"].map { counter($0) }
        pressures = ["cpu", "memory", "io"].map { resource in
            (
                "/\(resource).pressure", counter("pressure_waiting_seconds", Label("resource", resource)),
                counter("pressure_stalled_seconds", Label("resource", resource))
            )
        }
        processes = gauge("processes")
    }

    /// Files that are absent (a controller that is off, a unit that just ended) give no samples.
    func collect(_ path: String, _ sink: inout ScrapeSink) {
        if let text = sink.buffer.fill(path: path + "/cpu.stat") {
            Self.forEachPair(text, &sink) { key, value, sink in
                let index: Int
                if key.equals("usage_usec") {
                    index = 0
                } else if key.equals("user_usec") {
                    index = 1
                } else if key.equals("system_usec") {
                    index = 2
                } else if key.equals("throttled_usec") {
                    index = 3
                } else {
                    return
                }
                sink.append(cpu[index], Double(value) / 1_000_000)
            }
        }
        if let value = sink.buffer.number(path: path + "/memory.current") { sink.append(memory, value) }
        if let value = sink.buffer.number(path: path + "/memory.swap.current") { sink.append(swap, value) }
        if let text = sink.buffer.fill(path: path + "/memory.events") {
            Self.forEachPair(text, &sink) { key, value, sink in
                if key.equals("oom_kill") { sink.append(kills, value) }
            }
        }
        if let text = sink.buffer.fill(path: path + "/io.stat") { collectTransfers(text, &sink) }
        for pressure in pressures {
            guard let text = sink.buffer.fill(path: path + pressure.file) else { continue }
            let stall = PressureStall(text)
            if let total = stall.someMicroseconds { sink.append(pressure.waiting, Double(total) / 1_000_000) }
            if let total = stall.fullMicroseconds { sink.append(pressure.stalled, Double(total) / 1_000_000) }
        }
        if let value = sink.buffer.number(path: path + "/pids.current") { sink.append(processes, value) }
    }

    /// `254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`, one line per device.
    private func collectTransfers(_ text: Bytes, _ sink: inout ScrapeSink) {
        var sums: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        var cursor = ByteCursor(text)
        while let line = cursor.line() {
            var fields = ByteCursor(line)
            _ = fields.word()
            while let field = fields.word() {
                var pair = ByteCursor(field)
                guard let key = pair.upTo(UInt8(ascii: "=")), let value = pair.unsigned() else {
                    sink.malformedLines &+= 1
                    continue
                }
                if key.equals("rbytes") {
                    sums.0 &+= value
                } else if key.equals("wbytes") {
                    sums.1 &+= value
                } else if key.equals("rios") {
                    sums.2 &+= value
                } else if key.equals("wios") {
                    sums.3 &+= value
                }
            }
        }
        sink.append(transfers[0], sums.0)
        sink.append(transfers[1], sums.1)
        sink.append(transfers[2], sums.2)
        sink.append(transfers[3], sums.3)
    }

    /// `key value` lines.
    private static func forEachPair(
        _ text: Bytes, _ sink: inout ScrapeSink, _ body: (Bytes, UInt64, inout ScrapeSink) -> Void
    ) {
        var cursor = ByteCursor(text)
        while let line = cursor.line() {
            var fields = ByteCursor(line)
            guard let key = fields.word(), let value = fields.unsigned() else {
                if !line.trimmed.isEmpty { sink.malformedLines &+= 1 }
                continue
            }
            body(key, value, &sink)
        }
    }
}
