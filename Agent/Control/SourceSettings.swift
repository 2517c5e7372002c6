/// What the agent takes in from other programs beside its intake. Everything is off by default.
package struct SourceSettings: Sendable, Equatable {
    /// Between two reports of StatsD, access logs, Icecast and playlists.
    package var intervalMilliseconds: Int64 = 10_000
    /// Empty: no UDP.
    package var statsdListen = ""
    /// Empty: no Unix datagram socket.
    package var statsdSocketPath = ""
    package var statsdSeriesMax = 2000

    package init() {}

    package var isAnyOn: Bool { !statsdListen.isEmpty || !statsdSocketPath.isEmpty }
}
