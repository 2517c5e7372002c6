import CMosquitto
import Glibc

/// What libmosquitto's codes mean to the person who reads the log.
extension MosquittoConnection {
    var place: String { "\(options.host):\(options.port)" }

    var tlsHint: String { options.tls == nil ? ", and does it want TLS" : " with TLS 1.3" }

    /// A library error (below 128 and listed in mosquitto.h) or the reason code of a DISCONNECT packet.
    func explain(_ code: Int32) -> TransportFailure {
        let systemError = errno
        switch code {
        case Int32(MOSQ_ERR_SUCCESS.rawValue): return TransportFailure(.lost, "\(place) closed the connection")
        case Int32(MOSQ_ERR_ERRNO.rawValue) where !wasConnected:
            let text = String(cString: strerror(systemError))
            return TransportFailure(
                .unreachable, "cannot reach \(place): \(text); is the broker running, the port right?")
        case Int32(MOSQ_ERR_EAI.rawValue):
            return TransportFailure(.unreachable, "cannot find \(options.host): check the name and the resolver")
        case Int32(MOSQ_ERR_TLS.rawValue): return handshakeFailure()
        case Int32(MOSQ_ERR_CONN_LOST.rawValue) where !wasConnected:
            if options.tls != nil, let detail = context?.takeVerifyError() { return certificateFailure(detail) }
            return TransportFailure(.lost, "\(place) closed the connection before answering\(tlsHint)?")
        case Int32(MOSQ_ERR_KEEPALIVE.rawValue), Int32(MQTT_RC_KEEP_ALIVE_TIMEOUT.rawValue):
            return TransportFailure(.lost, "\(place) did not answer for \(options.keepAliveSeconds) s")
        case Int32(MQTT_RC_SESSION_TAKEN_OVER.rawValue):
            return TransportFailure(.takenOver, "another connection to \(place) uses our client id \(options.clientID)")
        case 128...: return refusal(code)
        case Int32(MOSQ_ERR_PROTOCOL.rawValue), Int32(MOSQ_ERR_MALFORMED_PACKET.rawValue):
            return TransportFailure(.protocolError, "\(place) does not speak MQTT 5")
        default:
            let detail = lastLogLine.isEmpty ? "" : " (\(lastLogLine))"
            return TransportFailure(
                .lost, "connection to \(place): \(String(cString: mosquitto_strerror(code)))\(detail)")
        }
    }

    /// The reason code of a CONNACK or DISCONNECT.
    func refusal(_ code: Int32) -> TransportFailure {
        let text = String(cString: mosquitto_reason_string(code))
        switch UInt32(code) {
        case MQTT_RC_BAD_USERNAME_OR_PASSWORD.rawValue, MQTT_RC_NOT_AUTHORIZED.rawValue:
            let user = options.user.map { "user \($0)" } ?? "us, who gave no user name"
            return TransportFailure(
                .refused, "\(place) refused \(user): \(text); enrol again or check its password file")
        case MQTT_RC_SERVER_BUSY.rawValue, MQTT_RC_QUOTA_EXCEEDED.rawValue, MQTT_RC_CONNECTION_RATE_EXCEEDED.rawValue,
            MQTT_RC_MESSAGE_RATE_TOO_HIGH.rawValue:
            return TransportFailure(.quota, "\(place): \(text)")
        case MQTT_RC_SERVER_SHUTTING_DOWN.rawValue, MQTT_RC_SERVER_UNAVAILABLE.rawValue:
            return TransportFailure(.lost, "\(place): \(text)")
        default: return TransportFailure(.refused, "\(place) refused the connection: \(text)")
        }
    }

    private func handshakeFailure() -> TransportFailure {
        if let detail = context?.takeVerifyError() { return certificateFailure(detail) }
        let detail = lastLogLine.isEmpty ? "handshake failed" : lastLogLine
        return TransportFailure(.tls, "TLS with \(place): \(detail); it must offer TLS 1.3")
    }

    private func certificateFailure(_ detail: String) -> TransportFailure {
        let name = context?.key.options.serverName ?? options.host
        return TransportFailure(
            .tls,
            "\(place) shows a certificate that is not valid for \(name): \(detail); "
                + "check the CA, the name and the clock"
        )
    }
}
