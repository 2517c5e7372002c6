import Telemetry

/// The series that a query reads, by agent.
package struct WantedSeries: Sendable {
    private let places: [SeriesIndex.Place]
    private let ranges: [AgentNumber: [Range<Int>]]

    /// - Parameter places: ascending by id.
    package init(_ places: [SeriesIndex.Place]) {
        self.places = places
        var ranges: [AgentNumber: [Range<Int>]] = [:]
        var start = 0
        while start < places.count {
            let agent = places[start].agent
            let end = places[start...].firstIndex { $0.agent != agent } ?? places.count
            ranges[agent, default: []].append(start..<end)
            start = end
        }
        self.ranges = ranges
    }

    /// Ascending.
    func ids(of agent: AgentNumber) -> [UInt32] {
        ranges[agent]?.flatMap { places[$0].lazy.map(\.id.rawValue) } ?? []
    }
}
