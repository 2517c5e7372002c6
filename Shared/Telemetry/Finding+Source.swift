extension Finding {
    /// Whose a finding is that a relay hands on, in the words of the region that it comes from.
    public struct Source: Hashable, Sendable {
        /// Aggregators that one finding passes; further ones drop it.
        public static let relaysMax = 8

        /// The node's name where it is enrolled.
        public var node: AgentID
        /// Over which relays it came to whoever hands it on, the one nearest to the node first; empty: over none.
        public var relays: [AgentID]
        /// As the node's enrolment says; may be empty.
        public var region: String
        /// Found by comparing the node with its peers, not by the node.
        public var isByPeers: Bool

        public init(node: AgentID, relays: [AgentID] = [], region: String = "", isByPeers: Bool = false) {
            self.node = node
            self.relays = relays
            self.region = region
            self.isByPeers = isByPeers
        }

        /// Names the node among all that one relay hands on: `node/relay/…`.
        public var path: String { ([node] + relays).map(\.rawValue).joined(separator: "/") }
    }
}
