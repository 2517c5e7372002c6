import MQTT

/// What the agent on this machine says of itself, through its intake.
package enum LocalStatus {
    /// - Throws: when nothing listens on the intake port.
    package static func fetch(_ configuration: AgentConfiguration) throws -> String {
        guard let port = configuration.intakePort else {
            throw PinnedConnection.Failure.io("the intake has no TCP port")
        }
        let address = try HTTPExchange.Address("http://127.0.0.1:\(port)")
        let connection = try PinnedConnection(host: address.host, port: address.port, keyHash: nil, timeoutSeconds: 5)
        return try HTTPExchange.send("GET", "/metrics", to: address, over: connection).text
    }
}
