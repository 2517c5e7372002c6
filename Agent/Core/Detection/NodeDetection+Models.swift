import Detection
import RuntimeSupport
import Telemetry
import WireFormat

// Models over a restart. Layout: version (1), varint number of metrics, each: labels, type byte, prefixed detector;
// varint number of groups, each: text name, varint number of columns, each labels; prefixed detector. Labels: varint
// count, then text name and text value. Detectors have versions and checksums of their own.
extension NodeDetection {
    package static let modelsVersion: UInt8 = 1
    /// Of the whole; some 2 kB for each metric.
    package static let modelBytesMax = 32 << 20
    private static let detectorBytesMax = 1 << 20

    /// Models that an earlier start kept, by what they are of, until their series are seen.
    struct Kept {
        var metrics: [SeriesKey: [UInt8]] = [:]
        var groups: [DetectionGroup: (columns: [SeriesKey], bytes: [UInt8])] = [:]
    }

    /// Everything learnt.
    /// - Complexity: O(state).
    package var models: [UInt8] {
        var writer = ByteWriter(reserving: stateBytes)
        writer.write(Self.modelsVersion)
        writer.write(varint: UInt64(metrics.count))
        for metric in metrics {
            Self.write(metric.descriptor.key, to: &writer)
            writer.write(prefixed: metric.detectorBytes)
        }
        writer.write(varint: UInt64(groups.count))
        for group in DetectionGroup.allCases {
            guard let entry = groups[group] else { continue }
            writer.write(text: group.rawValue)
            writer.write(varint: UInt64(entry.columns.count))
            for column in entry.columns { Self.write(metrics[column].descriptor.key, to: &writer) }
            writer.write(prefixed: entry.detector.bytes)
        }
        return writer.bytes
    }

    /// Goes on with what an earlier start learnt. A detector that does not read begins anew and is counted.
    /// - Returns: false when the whole does not read; then nothing was taken.
    package mutating func restore(_ models: [UInt8]) -> Bool {
        do {
            kept = try ByteReader.reading(models) { (reader) throws(WireError) in
                let version = try reader.readByte("version")
                guard version == Self.modelsVersion else { throw .unsupportedVersion(version) }
                var kept = Kept()
                for _ in 0..<(try reader.readCount("metrics", max: Self.metricsMax)) {
                    let key = try Self.readKey(&reader)
                    kept.metrics[key] = [UInt8](try reader.readPrefixed("detector", max: Self.detectorBytesMax))
                }
                for _ in 0..<(try reader.readCount("groups", max: DetectionGroup.allCases.count)) {
                    let name = try reader.readText("group", max: Finding.groupBytesMax)
                    guard let group = DetectionGroup(rawValue: name) else { throw .invalid("group") }
                    var columns: [SeriesKey] = []
                    for _ in 0..<(try reader.readCount("columns", max: DetectionGroup.columnsMax)) {
                        columns.append(try Self.readKey(&reader))
                    }
                    let bytes = [UInt8](try reader.readPrefixed("detector", max: Self.detectorBytesMax))
                    kept.groups[group] = (columns, bytes)
                }
                return kept
            }
            return true
        } catch {
            return false
        }
    }

    private static func write(_ key: SeriesKey, to writer: inout ByteWriter) {
        writer.write(varint: UInt64(key.labels.count))
        for label in key.labels {
            writer.write(text: label.name)
            writer.write(text: label.value)
        }
    }

    private static func readKey(_ reader: inout ByteReader) throws(WireError) -> SeriesKey {
        var labels: [Label] = []
        for _ in 0..<(try reader.readCount("labels", max: SeriesLimits.labelCountMax)) {
            let name = try reader.readText("label name", max: SeriesLimits.labelNameBytesMax)
            labels.append(Label(name, try reader.readText("label value", max: SeriesLimits.labelValueBytesMax)))
        }
        return SeriesKey(labels: labels)
    }
}
