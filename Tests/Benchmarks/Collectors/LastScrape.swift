import Collectors
import Synchronization

/// Keeps the size of the last scrape.
final class LastScrape: Sendable {
    private let size = Mutex(0)
    func keep(_ scrape: Scrape) { size.withLock { $0 = scrape.values.count } }
    var count: Int { size.withLock { $0 } }
}
