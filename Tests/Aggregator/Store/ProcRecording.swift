import Glibc
import Telemetry
import TestSupport

/// The recording in `proc-1s`: `S id measurement field tags c|g` declares a series, `T unix_ms v0 v1 …` is one tick.
struct ProcRecording {
    var series: [SeriesDescriptor] = []
    var times: [Int64] = []
    /// By tick, then series.
    var values: [[Double]] = []

    /// - Returns: nil when the file cannot be read.
    init?(_ directory: String) {
        guard let pipe = popen("xz -dc '\(directory)/proc-1s/proc-1s.txt.xz'", "r") else { return nil }
        defer { pclose(pipe) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        while getline(&line, &capacity, pipe) > 0, let text = line.map({ String(cString: $0) }) {
            let parts = text.split(whereSeparator: \.isWhitespace)
            if parts.first == "S", parts.count == 6 {
                var tags: [Label] = []
                for tag in parts[4].split(separator: ",") where tag != "-" {
                    let pair = tag.split(separator: "=", maxSplits: 1)
                    tags.append(Label(String(pair[0]), pair.count > 1 ? String(pair[1]) : ""))
                }
                let name = "node_\(parts[2])_\(parts[3])"
                series.append(
                    SeriesDescriptor(
                        key: SeriesKey(name: name, labels: tags), type: parts[5] == "c" ? .counter : .gauge))
            } else if parts.first == "T", let time = parts.count > 1 ? Int64(parts[1]) : nil {
                times.append(time)
                values.append(parts.dropFirst(2).map { Double($0) ?? .nan })
            }
        }
        guard !times.isEmpty else { return nil }
    }
}
