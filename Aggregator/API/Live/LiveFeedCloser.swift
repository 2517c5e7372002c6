import ServiceLifecycle

/// Ends the live streams when the server shuts down; without it the server would wait for them for ever.
struct LiveFeedCloser: Service {
    let live: LiveFeed

    func run() async throws {
        // Cancellation ends the wait too.
        try? await gracefulShutdown()
        live.close()
    }
}
