"""From settings to a site that can be asked: everything of federated work is put together here, once."""

from hospital_agent.assembly import check_site, site_pseudonyms
from hospital_agent.federation.egress import LedgerLog
from hospital_agent.federation.memory_on_disk import MemoryOnDisk
from hospital_agent.federation.policy import PolicyFile
from hospital_agent.federation.site import FederationSite
from hospital_agent.federation.site_key import PinnedSites, read_key
from hospital_agent.settings import Settings
from hospital_agent.store.database import Store
from shared.clock import Clock, utc_now


def federation_site(settings: Settings, *, store: Store | None = None, clock: Clock = utc_now) -> FederationSite:
    """The site of these settings.

    Args:
        store: of the agent, where it is open already; it stays open as long as the site.

    Raises:
        SettingsError: no key, pins that cannot be read, or a store of another site.
        StoreError: the store cannot be used.
    """
    folder = settings.federation_dir
    key, pinned = read_key(folder), PinnedSites(folder)
    dict(pinned)  # a file that cannot be read is said now, not in the middle of a sum
    store = store or Store.open(settings.data_dir)
    store.check_secret(site_pseudonyms(settings.data_dir).check_value())
    check_site(store, settings.site)
    return FederationSite(
        settings,
        key,
        pinned,
        MemoryOnDisk(store, clock),
        PolicyFile(settings.federation_policy_file, settings.site),
        LedgerLog(store, clock),
    )
