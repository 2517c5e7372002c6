/// HTTP/1.1 requests to one server, one after the other, over one connection for as long as the server keeps it open.
/// Blocking, not thread-safe.
///
/// A connection that turns out to be ended before the first byte of an answer is replaced and the request sent once
/// more: send only what may come twice.
public final class KeptConnection {
    /// A connection that was not used for longer is not trusted to be there any more, seconds.
    public static let idleSecondsMax = 30

    private let address: HTTPExchange.Address
    private let trust: PinnedConnection.Trust?
    private let timeoutSeconds: Int
    private var kept: (connection: PinnedConnection, usedAt: Int)?
    /// Made so far.
    public private(set) var connectionCount = 0

    /// - Parameters:
    ///   - trust: nil speaks plain TCP.
    ///   - timeoutSeconds: for connecting and for each read and write.
    public init(_ address: HTTPExchange.Address, trust: PinnedConnection.Trust?, timeoutSeconds: Int = 20) {
        self.address = address
        self.trust = trust
        self.timeoutSeconds = timeoutSeconds
    }

    /// As ``HTTPExchange/send(_:_:headers:body:to:over:answerBytesMax:secondsMax:)``.
    public func send(
        _ method: String, _ path: String, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        answerBytesMax: Int = 64 << 20, secondsMax: Int = HTTPExchange.secondsMax
    ) throws(HTTPExchange.Failure) -> HTTPExchange.Answer {
        let request = HTTPExchange.Request(
            method: method, path: path, headers: headers, body: body, address: address)
        if let kept, kept.connection.isQuiet, PinnedConnection.now() - kept.usedAt <= Self.idleSecondsMax,
            let answer = try exchange(request, over: kept.connection, answerBytesMax, secondsMax)
        {
            return answer
        }
        kept = nil
        let connection: PinnedConnection
        do throws(PinnedConnection.Failure) {
            connection = try PinnedConnection(
                host: address.host, port: address.port, trust: trust, timeoutSeconds: timeoutSeconds)
        } catch {
            throw .connection(error)
        }
        connectionCount += 1
        guard let answer = try exchange(request, over: connection, answerBytesMax, secondsMax) else {
            throw .malformed("no header")
        }
        return answer
    }

    private func exchange(
        _ request: HTTPExchange.Request, over connection: PinnedConnection, _ answerBytesMax: Int, _ secondsMax: Int
    ) throws(HTTPExchange.Failure) -> HTTPExchange.Answer? {
        kept = nil
        let (answer, leavesOpen) = try HTTPExchange.exchange(
            request, keepsOpen: true, over: connection, answerBytesMax: answerBytesMax, secondsMax: secondsMax)
        if leavesOpen { kept = (connection, PinnedConnection.now()) }
        return answer
    }
}
