import Control
import MQTT

/// What the agent on this machine says of itself, through its intake.
package enum LocalStatus {
    /// - Throws: when nothing listens on the intake port.
    package static func fetch(_ configuration: AgentConfiguration) throws -> String {
        guard configuration.intakePort != nil else {
            throw PinnedConnection.Failure.io("the intake has no TCP port")
        }
        let address = try HTTPExchange.Address("http://\(configuration.settings.intakeListen)")
        let connection = try PinnedConnection(host: address.host, port: address.port, keyHash: nil, timeoutSeconds: 5)
        return try HTTPExchange.send("GET", "/metrics", to: address, over: connection).text
    }
}
