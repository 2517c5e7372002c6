import CMosquitto
import Synchronization

/// Settings of the handle, and what libmosquitto calls on the connection's thread: copy, hand on, return.
extension MosquittoConnection {
    func configure() throws(TransportError) {
        mosquitto_user_data_set(handle, Unmanaged.passUnretained(self).toOpaque())
        mosquitto_int_option(handle, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5)
        func step(_ what: String, _ body: () -> Int32) throws(TransportError) {
            let result = body()
            guard result == MOSQ_ERR_SUCCESS.rawValue else {
                throw .invalid("\(what): \(String(cString: mosquitto_strerror(result)))")
            }
        }
        mosquitto_threaded_set(handle, true)
        mosquitto_int_option(handle, MOSQ_OPT_TCP_NODELAY, 1)
        mosquitto_int_option(handle, MOSQ_OPT_RECEIVE_MAXIMUM, Int32(options.receiveMaximum))
        mosquitto_int_option(handle, MOSQ_OPT_SEND_MAXIMUM, 65_535)
        try step("user name") { mosquitto_username_pw_set(handle, options.user, options.password) }
        if let will = options.will {
            try step("last will") {
                will.payload.withUnsafeBytes {
                    mosquitto_will_set_v5(
                        handle, will.topic, Int32($0.count), $0.baseAddress, 1, will.isRetained, nil)
                }
            }
        }
        if let context {
            try step("TLS") { mosquitto_int_option(handle, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0) }
            try step("TLS") {
                mosquitto_void_option(handle, MOSQ_OPT_SSL_CTX, UnsafeMutableRawPointer(context.pointer))
            }
        }
        setCallbacks()
    }

    private func setCallbacks() {
        mosquitto_connect_v5_callback_set(handle) { _, object, reason, flags, properties in
            MosquittoConnection.from(object)?.didConnect(reason: reason, flags: flags, properties: properties)
        }
        mosquitto_disconnect_v5_callback_set(handle) { _, object, reason, _ in
            guard let connection = MosquittoConnection.from(object) else { return }
            connection.failure = connection.failure ?? connection.explain(reason)
        }
        mosquitto_publish_v5_callback_set(handle) { _, object, packet, reason, _ in
            MosquittoConnection.from(object)?.didPublish(packet, reason: reason)
        }
        mosquitto_message_v5_callback_set(handle) { _, object, message, _ in
            guard let connection = MosquittoConnection.from(object), let message = message?.pointee,
                let topic = message.topic
            else { return }
            connection.messagesRead &+= 1
            let payload = [UInt8](UnsafeRawBufferPointer(start: message.payload, count: Int(message.payloadlen)))
            connection.sink(.message(topic: String(cString: topic), payload: payload, isRetained: message.retain))
        }
        mosquitto_subscribe_v5_callback_set(handle) { _, object, _, count, granted, _ in
            guard let connection = MosquittoConnection.from(object), let granted else { return }
            for index in 0..<Int(count) where granted[index] >= 128 {
                let reason = String(cString: mosquitto_reason_string(granted[index]))
                connection.sink(
                    .subscriptionRefused(
                        TransportFailure(.refused, "\(connection.place) refused a subscription: \(reason)")))
            }
        }
        mosquitto_log_callback_set(handle) { _, object, level, text in
            guard let connection = MosquittoConnection.from(object), let text, level == MOSQ_LOG_ERR else { return }
            connection.lastLogLine = String(cString: text)
        }
    }

    private static func from(_ object: UnsafeMutableRawPointer?) -> MosquittoConnection? {
        object.map { Unmanaged<MosquittoConnection>.fromOpaque($0).takeUnretainedValue() }
    }

    private func didConnect(reason: Int32, flags: Int32, properties: OpaquePointer?) {
        guard reason == 0 else {
            failure = refusal(reason)
            return
        }
        guard answered() else { return }
        var limits = ConnectionLimits(isSessionPresent: flags & 1 != 0)
        var receiveMaximum: UInt16 = 0
        var packetBytes: UInt32 = 0
        if mosquitto_property_read_int16(properties, Int32(MQTT_PROP_RECEIVE_MAXIMUM.rawValue), &receiveMaximum, false)
            != nil, receiveMaximum > 0
        {
            limits.receiveMaximum = Int(receiveMaximum)
        }
        if mosquitto_property_read_int32(properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), &packetBytes, false)
            != nil, packetBytes > 0
        {
            limits.maximumPacketSizeBytes = Int(packetBytes)
            packetBytesMax.store(Int(packetBytes), ordering: .relaxed)
        }
        wasConnected = true
        isOpen.withLock { $0 = true }
        sink(.connected(limits))
    }

    private func didPublish(_ packet: Int32, reason: Int32) {
        messagesRead &+= 1
        flying.wrappingSubtract(1, ordering: .relaxed)
        // 16 is "no matching subscribers": the broker has it, nobody listens.
        if reason < 128 {
            sink(.published(token(packet)))
        } else {
            let text = String(cString: mosquitto_reason_string(reason))
            let kind: TransportFailure.Kind = reason == MQTT_RC_NOT_AUTHORIZED.rawValue ? .refused : .quota
            sink(.publishRefused(token(packet), TransportFailure(kind, "\(place) refused a message: \(text)")))
        }
    }
}
