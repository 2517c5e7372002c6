import COpenSSL
import Synchronization
import Telemetry

/// An OpenSSL client context: TLS 1.3 only, trusting only the given authorities, expecting one name, and
/// checking certificates at the time floor when the wall clock is behind it.
///
/// Kept over connection attempts with equal settings: libmosquitto 2.0 does not release a context that was
/// handed to it when the attempt ends before the handshake, so one for each attempt would leak in an outage.
/// `@unchecked Sendable`: OpenSSL counts references to a context atomically, and it is not changed after init.
final class TLSContext: @unchecked Sendable {
    /// What a context was made from; a different key needs another context.
    struct Key: Equatable {
        let options: TransportOptions.TLS
        let host: String
        /// Certificates are checked at this time; nil: at the wall clock's.
        let checkedAt: Timestamp?

        init(options: TransportOptions.TLS, host: String, now: Timestamp) {
            self.options = options
            self.host = host
            checkedAt = options.timeFloor.flatMap { now < $0 ? $0 : nil }
        }
    }

    let key: Key
    let pointer: OpaquePointer
    /// The last certificate error of a handshake; X509_V_OK (0) if none.
    private let verifyError = Atomic<Int32>(0)

    /// - Throws: ``TransportError/invalid(_:)`` when the PEM text holds no usable certificate.
    init(key: Key) throws(TransportError) {
        guard let context = SSL_CTX_new(TLS_client_method()) else { throw .failed("OpenSSL gives no TLS context") }
        self.key = key
        pointer = context
        guard stagebox_ssl_ctx_require_tls13(context) != 0 else { throw .failed("OpenSSL does not support TLS 1.3") }
        stagebox_ssl_ctx_set_modes(context)
        guard Self.trust(key.options.certificateAuthorityPEM, in: context) > 0 else {
            throw .invalid("the CA certificate for \(key.host) holds no PEM certificate: check broker.ca")
        }
        let parameters = SSL_CTX_get0_param(context)
        let name = key.options.serverName ?? key.host
        // An address must stand in the certificate as an address, a name as a name (RFC 6125).
        if X509_VERIFY_PARAM_set1_ip_asc(parameters, name) != 1 {
            guard X509_VERIFY_PARAM_set1_host(parameters, name, name.utf8.count) == 1 else {
                throw .invalid("\"\(name.prefix(80))\" cannot be a server name")
            }
        }
        if let time = key.checkedAt {
            X509_VERIFY_PARAM_set_time(parameters, time_t(time.milliseconds / 1000))
        }
        stagebox_ssl_ctx_set_app_data(context, Unmanaged.passUnretained(self).toOpaque())
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER) { isValid, store in
            if isValid == 0, let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
                let data = stagebox_ssl_ctx_get_app_data(SSL_get_SSL_CTX(OpaquePointer(ssl)))
            {
                let context = Unmanaged<TLSContext>.fromOpaque(data).takeUnretainedValue()
                context.verifyError.store(X509_STORE_CTX_get_error(store), ordering: .relaxed)
            }
            return isValid
        }
    }

    deinit { SSL_CTX_free(pointer) }

    /// Why the last handshake refused the broker's certificate, and forgets it.
    func takeVerifyError() -> String? {
        let code = verifyError.exchange(0, ordering: .relaxed)
        guard code != 0, let text = X509_verify_cert_error_string(Int(code)) else { return nil }
        return String(cString: text)
    }

    /// - Returns: how many certificates were added.
    private static func trust(_ pem: String, in context: OpaquePointer) -> Int {
        var pem = pem
        return pem.withUTF8 { text -> Int in
            guard text.count <= Int32.max, let bio = BIO_new_mem_buf(text.baseAddress, Int32(text.count)) else {
                return 0
            }
            defer {
                BIO_free(bio)
                ERR_clear_error()
            }
            var count = 0
            while let certificate = PEM_read_bio_X509(bio, nil, nil, nil) {
                if X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate) == 1 { count += 1 }
                X509_free(certificate)
            }
            return count
        }
    }
}
