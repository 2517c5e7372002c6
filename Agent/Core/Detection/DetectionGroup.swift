import Detection
package import Telemetry

/// What metrics are judged together: those of one ``MetricGroup``, which says by name which.
package enum DetectionGroup: String, CaseIterable, Sendable {
    case cpu, memory, disk, network, streams
    /// Everything else: each metric by itself.
    case metric

    /// Columns of a group's row; further metrics are judged by themselves only.
    package static let columnsMax = 40

    /// - Returns: nil for a metric that is not watched.
    package init?(_ descriptor: SeriesDescriptor) {
        guard descriptor.type != .info, let group = MetricGroup(name: descriptor.key.name) else { return nil }
        self = DetectionGroup(rawValue: group.rawValue) ?? .metric
    }
}
