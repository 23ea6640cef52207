import Router from '@koa/router'
import type { Context, State } from '../../context.ts'
import { type AdminAuthOptions, adminAuth } from '../../middleware/admin-auth.ts'
import {
  createKey,
  deleteKey,
  type KeyRoutesOptions,
  listKeys,
  rotateKey,
  showKey,
  switchKey,
  updateKey,
} from './keys.ts'
import { type AdminUsageOptions, adminUsage } from './usage.ts'

export interface AdminOptions extends AdminAuthOptions, KeyRoutesOptions, AdminUsageOptions {}

/** `/admin/v1/…`: keys, and what they used. */
export function adminRoutes(options: AdminOptions): Router<State, Context> {
  const router = new Router<State, Context>({ prefix: '/admin/v1' })
  const allowed = adminAuth(options)
  router.get('/keys', allowed, listKeys(options))
  router.post('/keys', allowed, createKey(options))
  router.get('/keys/:key', allowed, showKey(options))
  router.patch('/keys/:key', allowed, updateKey(options))
  router.delete('/keys/:key', allowed, deleteKey(options))
  router.post('/keys/:key/rotate', allowed, rotateKey(options))
  router.post('/keys/:key/disable', allowed, switchKey(true, options))
  router.post('/keys/:key/enable', allowed, switchKey(false, options))
  router.get('/usage', allowed, adminUsage(options))
  return router
}
